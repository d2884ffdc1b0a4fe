/** Numbers, dates and names as the report prints them (pure). */
import type { Figure, Goal } from '../result.ts';

const none = '–';
const whole = new Intl.NumberFormat('en-US', { maximumFractionDigits: 0 });
const hundredths = new Intl.NumberFormat('en-US', { maximumFractionDigits: 2 });
const threeDigits = new Intl.NumberFormat('en-US', { maximumSignificantDigits: 3 });
const ratios = new Intl.NumberFormat('en-US', { minimumSignificantDigits: 3, maximumSignificantDigits: 3 });
const short = new Intl.NumberFormat('en-US', { notation: 'compact', maximumSignificantDigits: 3 });

/** JSON has no NaN: what could not be measured comes back from `latest.json` as null, whatever the type says. */
export function isMeasured(value: number | null): value is number {
  return value !== null && Number.isFinite(value);
}

export function formatWhole(value: number): string {
  return whole.format(value);
}

export function formatNumber(value: number | null, unit = ''): string {
  if (!isMeasured(value)) return none;
  if (Math.abs(value) >= 100 && unit !== '%') return whole.format(value);
  // 99.97 % must not read as 100 %.
  return unit === '%' ? hundredths.format(value) : threeDigits.format(value);
}

export function formatValue(value: number | null, unit: string): string {
  return isMeasured(value) ? withUnit(formatNumber(value, unit), unit) : none;
}

export function formatShort(value: number): string {
  return short.format(value);
}

export function formatRatio(ratio: number | null): string {
  return isMeasured(ratio) ? `${ratios.format(ratio)}×` : none;
}

export function formatWanted({ wanted, unit }: Goal): string {
  return `${wanted.sign === '>=' ? '≥' : '≤'} ${withUnit(String(wanted.value), unit)}`;
}

/** With as many digits as it takes to see on which side of the limit the measured value lies. */
export function formatMeasured({ measured, wanted, unit }: Goal): string {
  if (!isMeasured(measured)) return none;
  const usual = formatNumber(measured, unit);
  if (measured === wanted.value || usual !== formatNumber(wanted.value, unit)) return withUnit(usual, unit);
  for (let digits = 4; digits < 15; digits++) {
    const fine = new Intl.NumberFormat('en-US', { maximumSignificantDigits: digits });
    const text = fine.format(measured);
    if (text !== fine.format(wanted.value)) return withUnit(text, unit);
  }
  return withUnit(String(measured), unit);
}

export function formatDate(iso: string): string {
  return `${iso.slice(0, 10)} ${iso.slice(11, 16)} UTC`;
}

export function formatSpread({ min, max, unit }: Figure): string {
  return `${formatNumber(min, unit)} – ${formatNumber(max, unit)}`;
}

/** Without the suite's name, where the label begins with it: it stands beside or above it. */
export function formatGoal({ label }: Goal, suite: string): string {
  return label.startsWith(`${suite}: `) ? label.slice(suite.length + 2) : label;
}

/** `growth` figures of several x may share a label; the value on the axis tells them apart. */
export function formatLabel({ label, x }: Figure): string {
  return x === undefined ? label : `${label} · ${x.label}: ${whole.format(x.value)}`;
}

function withUnit(text: string, unit: string): string {
  return unit === '' || unit === '×' ? text + unit : `${text} ${unit}`;
}
