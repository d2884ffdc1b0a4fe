/** Has the files that the rows of a page, or of a range, name brought to the target before the rows go in. */
import type { FailedRows } from '../apply/park-failed.ts';
import { bringFiles, type LinkFiles } from '../files/bring-files.ts';
import type { MappedPage } from './map-page.ts';

export interface BroughtPage extends Omit<MappedPage, 'failed'> {
  readonly failed: readonly FailedRows[];
  /** What was sent for it. */
  readonly sent: { readonly files: number; readonly bytes: number };
}

export async function bringPage(files: LinkFiles | null, page: MappedPage): Promise<BroughtPage> {
  if (files === null) return { ...page, sent: { files: 0, bytes: 0 } };
  const rows = page.rows.map((each) => ({ ...each, columns: each.columns.map(String) }));
  const brought = await bringFiles(files, rows);
  return {
    ...page,
    rows: brought.rows,
    failed: [...page.failed, ...brought.failed],
    sent: { files: brought.files, bytes: brought.bytes },
  };
}
