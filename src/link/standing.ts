/** Where a link stands, at both of its ends. */
import { cursorMoved, type StoredCursor } from '../apply/cursor-store.ts';
import type { Standing } from '../apply/batch.ts';
import { SnkError } from '../errors.ts';
import type { StoredSubscriber } from '../read/fence.ts';
import { attachEnds } from './attach.ts';
import { checkChain, isRegressed, regressed } from './chain.ts';
import type { LinkEngine } from './engine.ts';

interface Ends {
  readonly cursor: StoredCursor | null;
  readonly subscriber: StoredSubscriber | null;
}

async function readEnds({ source, target }: LinkEngine): Promise<Ends> {
  const [cursor, subscriber] = await Promise.all([target.cursor(), source.subscriber()]);
  return { cursor, subscriber };
}

/** Reads where the link stands on both sides, in step, and refuses sides that do not belong together. */
export async function loadStanding(engine: LinkEngine): Promise<Standing> {
  let ends = await readEnds(engine);
  // The other end of a link through a hub is nobody's to install from here: it is given its place when it is first met.
  if (engine.isRemote && ends.cursor === null && (ends.subscriber?.generation ?? '0') === '0') {
    await attachEnds(engine);
    ends = await readEnds(engine);
  } else if (engine.isRemote && ends.cursor !== null) {
    // Of a table that the link was given since, no row has been copied.
    await engine.target.attach(null);
  }
  if (ends.cursor !== null && ends.subscriber !== null && isAnew(ends.cursor, ends.subscriber)) {
    const { standing } = ends.subscriber;
    const baseline = standing === 'expired' ? await engine.source.renew() : ends.subscriber;
    await engine.target.beginAnew(ends.cursor.nonce, baseline);
    ends = await readEnds(engine);
  }
  try {
    const standing = await standingOf(engine, ends);
    await requireReverse(engine);
    return standing;
  } catch (error) {
    if (!isRegressed(error)) throw error;
    // Two databases are never read at one moment: beside a process that moves them they only look as if they did not belong together.
    const now = await readEnds(engine);
    const isStill =
      now.cursor?.nonce === ends.cursor?.nonce && now.subscriber?.nonce === ends.subscriber?.nonce;
    throw isStill ? error : cursorMoved(engine.link.name);
  }
}

/**
 * Databases that are reached from one place are given both directions before either of them copies. Here each direction is begun
 * by itself: one that copied before the other was begun would leave alone what the target has changed, and when that is copied
 * back, and loses, nobody would send the row that won.
 */
async function requireReverse({ link, isRemote, source }: LinkEngine): Promise<void> {
  if (!isRemote || !link.flows.some((flow) => flow.bothWays) || (await source.reverseBegun())) return;
  throw new SnkError('SNK_NOT_ATTACHED', `link ${link.name}: its other direction has not begun`, {
    hint: 'It goes on by itself; both directions have to run, the first time.',
    fate: 'retry',
  });
}

/**
 * The source has not kept the log for so long: all rows are compared once more. A renewed one that the cursor does not know yet
 * is a beginning that ended in between.
 */
function isAnew(cursor: StoredCursor, { standing, generation, nonce }: StoredSubscriber): boolean {
  return standing === 'expired' || (standing === 'renewed' && generation === '0' && cursor.nonce !== nonce);
}

async function standingOf(engine: LinkEngine, { cursor, subscriber }: Ends): Promise<Standing> {
  if (cursor === null && subscriber !== null) throw regressed(engine.link.name, 'target');
  if (cursor !== null && subscriber === null) throw regressed(engine.link.name, 'source');
  if (cursor === null || subscriber === null) {
    throw new SnkError('SNK_NOT_ATTACHED', `link ${engine.link.name} has not been attached`, {
      hint: "Run 'snk install'.",
    });
  }
  if (cursor.sourceNode !== engine.sourceNode) {
    throw new SnkError(
      'SNK_SOURCE_REPLACED',
      `link ${engine.link.name}: ${engine.link.source} is not the database it was`,
      {
        hint: `Run 'snk install --rebaseline "${engine.link.name}"'.`,
      },
    );
  }
  if (cursor.state === 'paused')
    throw new SnkError('SNK_PAUSED', `link ${engine.link.name} is paused`, { fate: 'retry' });
  checkChain(engine.link.name, cursor, subscriber);
  if (cursor.nonce === subscriber.nonce) return { position: cursor, subscriber };
  return {
    position: await engine.target.adopt(cursor, subscriber),
    subscriber,
  };
}
