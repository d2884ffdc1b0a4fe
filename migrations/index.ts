/** All migrations in order, as classes: a folder scan would break in a bundle. */
import { ControlTables } from './001-control-tables.ts';

export const migrationsList = [{ name: '001-control-tables', class: ControlTables }];
