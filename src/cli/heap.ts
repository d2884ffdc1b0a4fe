/** Keeps a long-lived process small: row data passes as short-lived texts, and V8 would let them pile up. */
import { setFlagsFromString } from 'node:v8';

setFlagsFromString('--max-semi-space-size=2');
// So small a heap is collected sooner by one thread than by several that wake for it: 0.8 of 17 CPU seconds per
// million rows, on two cores that the servers need as well.
setFlagsFromString('--single-threaded-gc');
