/** Light or dark: as the system has it, until somebody says otherwise here. */
const key = 'snk-theme';

export function isDark(): boolean {
  const said = document.documentElement.dataset['theme'];
  return said === undefined ? matchMedia('(prefers-color-scheme: dark)').matches : said === 'dark';
}

/** Charts are drawn, and have to be told. */
function show(theme: string): void {
  document.documentElement.dataset['theme'] = theme;
  document.dispatchEvent(new Event('snk:theme'));
}

export function switchTheme(dark: boolean): void {
  const theme = dark ? 'dark' : 'light';
  show(theme);
  try {
    localStorage.setItem(key, theme);
  } catch {
    // A browser may keep nothing.
  }
}

export function restoreTheme(): void {
  try {
    const theme = localStorage.getItem(key);
    if (theme === 'dark' || theme === 'light') show(theme);
  } catch {
    // see above
  }
}
