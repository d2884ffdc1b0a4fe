/** The few drawings of the page; words always stand beside them, so nobody has to hear of them. */
import type { JSX } from 'preact';

const paths = {
  links: 'M4 8.5h13m0 0-3.5-3.500m3.500 3.500-3.500 3.500M20 15.500H7m0 0 3.500-3.500M7 15.500l3.500 3.500',
  conflicts: 'M12 4v9m0 4v.01M4.500 20h15L12 4 4.500 20Z',
  parked: 'M5 4h14v16H5zM10 16V8h3a2.500 2.500 0 0 1 0 5h-3',
  tables: 'M4 5h16v14H4zM4 10h16M10 10v9',
  trace: 'M6 6h.01M6 12h.01M6 18h.01M10 6h8M10 12h8M10 18h8',
  keys: 'M14.500 9.500a4.500 4.500 0 1 0-4 4.470L12 15.500h2V18h2.500v2H20v-3l-5.700-5.700c.130-.570.200-1.180.200-1.800Z',
  audit: 'M6 3h9l4 4v14H6zM9.500 11h6M9.500 15h6',
  sun: 'M12 3v2m0 14v2M3 12h2m14 0h2M5.600 5.600 7 7m10 10 1.400 1.400M18.400 5.600 17 7M7 17l-1.400 1.400M16 12a4 4 0 1 1-8 0 4 4 0 0 1 8 0Z',
  moon: 'M20 14.500A8 8 0 0 1 9.500 4 8 8 0 1 0 20 14.500Z',
  out: 'M10 4H5v16h5M15 8l4 4-4 4M19 12H9',
  pause: 'M9 6v12M15 6v12',
  play: 'M8 5.500v13l10-6.500-10-6.500Z',
  check: 'm5 12.500 4.500 4.500L19 7.500',
  search: 'M16 10.500a5.500 5.500 0 1 1-11 0 5.500 5.500 0 0 1 11 0ZM14.500 14.500 20 20',
} as const;

export type IconName = keyof typeof paths;

export function Icon({ name }: { readonly name: IconName }): JSX.Element {
  return (
    <svg class="icon" viewBox="0 0 24 24" aria-hidden="true" focusable="false">
      <path d={paths[name]} />
    </svg>
  );
}
