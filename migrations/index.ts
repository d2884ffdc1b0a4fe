/** All migrations in order, as classes: a folder scan would break in a bundle. */
import { ControlTables } from './001-control-tables.ts';
import { RowImages } from './002-row-images.ts';
import { Changes } from './003-changes.ts';
import { SetAside } from './004-set-aside.ts';
import { Verification } from './005-verification.ts';
import { Clock } from './006-clock.ts';
import { Truncate } from './007-truncate.ts';
import { Merge } from './008-merge.ts';
import { ScheduledLinks } from './009-scheduled-links.ts';
import { Keys } from './010-keys.ts';
import { Audit } from './011-audit.ts';
import { Identity } from './012-identity.ts';
import { Files } from './013-files.ts';
import { Readers } from './014-readers.ts';
import { LoggedKeys } from './015-logged-keys.ts';

export const migrationsList = [
  { name: '001-control-tables', class: ControlTables },
  { name: '002-row-images', class: RowImages },
  { name: '003-changes', class: Changes },
  { name: '004-set-aside', class: SetAside },
  { name: '005-verification', class: Verification },
  { name: '006-clock', class: Clock },
  { name: '007-truncate', class: Truncate },
  { name: '008-merge', class: Merge },
  { name: '009-scheduled-links', class: ScheduledLinks },
  { name: '010-keys', class: Keys },
  { name: '011-audit', class: Audit },
  { name: '012-identity', class: Identity },
  { name: '013-files', class: Files },
  { name: '014-readers', class: Readers },
  { name: '015-logged-keys', class: LoggedKeys },
];
