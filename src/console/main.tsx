/** The console's page, from its first line on. */
import { render } from 'preact';
import 'uplot/dist/uPlot.min.css';
import './style/tokens.css';
import './style/base.css';
import './style/parts.css';
import './style/frame.css';
import { App } from './app.tsx';
import { restoreTheme } from './theme.ts';

restoreTheme();
const place = document.querySelector('#app');
if (place !== null) render(<App />, place);
