/** The protocol, for the rooms that serve it and write it down. */
import * as shapeOf from './shapes.ts';
import { description, snapshot } from './words.ts';

export { unopened } from './operation-kinds.ts';
export { isOperation, largestBody, operations, protocol } from './operations.ts';

/** What is spoken of by a name. */
export const shapes = { ...shapeOf, description, snapshot };
