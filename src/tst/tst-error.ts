/** An error TST can explain: a stable code, and a message of one line without any password or row value. */

export type TstErrorCode =
  | 'TST_CONFIG' // what was asked for can't work: no URL, wrong password, wrong columns, …
  | 'TST_UNREACHABLE' // a database doesn't answer at the start
  | 'TST_REFUSED' // a database refused a batch for good
  | 'TST_INTERNAL';

const exitCodes: Readonly<Record<TstErrorCode, number>> = {
  TST_CONFIG: 78,
  TST_UNREACHABLE: 69,
  TST_REFUSED: 70,
  TST_INTERNAL: 70,
};

export class TstError extends Error {
  override readonly name = 'TstError';
  readonly code: TstErrorCode;

  constructor(code: TstErrorCode, message: string) {
    super(message);
    this.code = code;
  }

  /** What the process ends with, after sysexits.h. */
  get exitCode(): number {
    return exitCodes[this.code];
  }
}
