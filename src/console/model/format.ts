/** Numbers and times in words that are read at a glance (pure). */

const whole = new Intl.NumberFormat('en-US', { maximumFractionDigits: 0 });
const compact = new Intl.NumberFormat('en-US', { notation: 'compact', maximumFractionDigits: 1 });

export function count(value: number | null): string {
  if (value === null) return '–';
  return value < 100_000 ? whole.format(value) : compact.format(value);
}

/** `3 rows`, `1 row`. */
export function plural(value: number, noun: string): string {
  return `${count(value)} ${noun}${value === 1 ? '' : 's'}`;
}

/** `0 ms`, `840 ms`, `1.4 s`, `3 min`, `2 h`, `5 d`. */
export function duration(ms: number | null): string {
  if (ms === null) return '–';
  if (ms < 1_000) return `${Math.round(ms)} ms`;
  if (ms < 10_000) return `${(ms / 1_000).toFixed(1)} s`;
  if (ms < 60_000) return `${Math.round(ms / 1_000)} s`;
  if (ms < 3_600_000) return `${Math.round(ms / 60_000)} min`;
  if (ms < 86_400_000) return `${Math.round(ms / 3_600_000)} h`;
  return `${Math.round(ms / 86_400_000)} d`;
}

/** `just now`, `3 min ago`, `in 20 s`. */
export function ago(at: string | null, now: number): string {
  if (at === null) return 'never';
  const ms = now - Date.parse(at);
  if (Math.abs(ms) < 2_000) return 'just now';
  return ms > 0 ? `${duration(ms)} ago` : `in ${duration(-ms)}`;
}

/** In the reader's own time zone. */
export function clock(at: string | number): string {
  const date = new Date(at);
  const pad = (value: number): string => String(value).padStart(2, '0');
  return `${pad(date.getHours())}:${pad(date.getMinutes())}:${pad(date.getSeconds())}`;
}

/** To the millisecond. */
export function exactClock(at: string): string {
  return `${clock(at)}.${String(new Date(at).getMilliseconds()).padStart(3, '0')}`;
}

export function dateTime(at: string): string {
  const date = new Date(at);
  const pad = (value: number): string => String(value).padStart(2, '0');
  return `${date.getFullYear()}-${pad(date.getMonth() + 1)}-${pad(date.getDate())} ${clock(at)}`;
}

/** Of a lag in milliseconds, for an axis. */
export function tick(ms: number): string {
  return ms >= 1_000 ? `${+(ms / 1_000).toFixed(1)} s` : `${+ms.toFixed(0)} ms`;
}
