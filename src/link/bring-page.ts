/** Has the files that the rows of a page, or of a range, name brought to the target before the rows go in. */
import type { FailedRows } from '../apply/park-failed.ts';
import { bringFiles, type LinkFiles } from '../files/bring-files.ts';
import type { MappedPage } from './map-page.ts';
import type { Brought } from './tally.ts';

export interface BroughtPage extends Omit<MappedPage, 'failed'> {
  readonly failed: readonly FailedRows[];
  readonly brought: Brought;
}

export async function bringPage(files: LinkFiles | null, page: MappedPage): Promise<BroughtPage> {
  if (files === null) return { ...page, brought: { files: 0, bytes: 0 } };
  const rows = page.rows.map((each) => ({ ...each, columns: each.columns.map(String) }));
  const { rows: there, failed, ...brought } = await bringFiles(files, rows);
  return {
    ...page,
    rows: there,
    failed: [...page.failed, ...failed],
    brought,
  };
}
