/** What a verb asks of a hub: each time with a short limit, since somebody waits for the answer. */
import { loadCursor } from '../apply/cursor-store.ts';
import { session, type MikroORM } from '../db/orm.ts';
import { SnkError } from '../errors.ts';
import type { EndDescription } from '../link/ends.ts';
import type { FarLooks } from '../link/far-status.ts';
import { forgetEnd } from '../link/forget.ts';
import { loadSubscriber } from '../read/fence.ts';
import type { Link } from '../topology/topology.ts';
import type { HubLink } from './far-end.ts';
import { linkWords } from './link-words.ts';
import { protocol, type AnswerOf, type OperationName, type RequestOf } from './operations.ts';
import { describedBy, wordsOf } from './words.ts';

/** Milliseconds. */
const patience = 3_000;

/** `hubOf` gives the end of a link that is behind a hub. */
export function farLooks(hubOf: (link: Link) => HubLink): FarLooks {
  return {
    isThere: async (link) => await asked(hubOf(link), 'mark', {}),
    pending: async (link, { low, high, seq }) => await asked(hubOf(link), 'pending', { low, high, seq }),
    standing: async (link) => await asked(hubOf(link), 'standing', {}),
  };
}

/** What the hub has of a link; `own` is null where nothing is installed here yet. Throws what does not fit. */
export async function describeFar(
  hub: HubLink,
  link: Link,
  own: EndDescription | null,
): Promise<EndDescription> {
  const words = own === null ? null : wordsOf(own);
  return describedBy(await asked(hub, 'describe', { protocol, link: linkWords(link), own: words }));
}

/** Starts a link anew as `rebaselineLink` does. What is given up first is the place in the target: without it nothing is written. */
export async function rebaselineFar(
  hub: HubLink,
  link: Link,
  near: { end: 'source' | 'target'; orm: MikroORM },
): Promise<void> {
  const here = near.end === 'source' ? loadSubscriber : loadCursor;
  const own = await here(session(near.orm), link.name);
  const other = await asked(hub, near.end === 'source' ? 'cursor' : 'subscriber', {});
  const forgetHere = async (): Promise<unknown> =>
    own === null ? null : await forgetEnd(near.end, near.orm, link.name, own);
  const forgetThere = async (): Promise<unknown> =>
    other === null ? null : await asked(hub, 'forget', { generation: other.generation, nonce: other.nonce });
  if (near.end === 'target') {
    await forgetHere();
    await forgetThere();
  } else {
    await forgetThere();
    await forgetHere();
  }
}

async function asked<Name extends OperationName>(
  hub: HubLink,
  operation: Name,
  body: RequestOf<Name>,
): Promise<AnswerOf<Name>> {
  const late = AbortSignal.timeout(patience);
  try {
    return await hub.ask(operation, body, late);
  } catch (error) {
    if (!late.aborted) throw error;
    throw new SnkError('SNK_UNREACHABLE', `hub ${hub.hub} does not answer (within ${patience / 1_000} s)`, {
      fate: 'retry',
      hint: 'Check that the hub runs and can be reached.',
    });
  }
}
