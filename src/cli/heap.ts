/** Keeps a long-lived process small: row data passes as short-lived texts, and V8 would let them pile up. */
import { setFlagsFromString } from 'node:v8';

setFlagsFromString('--max-semi-space-size=2');
