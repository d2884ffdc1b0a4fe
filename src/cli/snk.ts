#!/usr/bin/env node
/** The executable `snk`: sees that Node is right and its heap small, then loads the program. */
import './require-node.ts';
import './heap.ts';

await import('./program.ts');
