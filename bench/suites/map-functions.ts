/** Functions that the bench sends rows through, as a user's module holds them. */
import type { MapRow } from '../../src/map/map-rows.ts';

/** What `columns+set` of the suite `mapping` makes of a row. */
export const renamed: MapRow = ({ uuid = null, text = null }) => ({
  uuid,
  body: text,
  origin: 'a',
  size: text?.length ?? null,
});
