import { expect, test } from 'vitest';
import { linkRig, shareDatabases } from '../../test/support/link-rig.ts';
import { SnkError } from '../errors.ts';

shareDatabases();

const deed = { who: 'ada (127.0.0.1)', action: 'pause', subject: 'a->b' };

test('what is done is written where it is done, before it is, and with what came of it', async () => {
  const rig = await linkRig();
  const { audit } = rig.snk;
  const during = await audit.record(
    'b',
    deed,
    async () => await rig.b.query('select outcome from snk.audit'),
  );
  expect(during).toEqual([{ outcome: 'begun' }]);
  const refused = new SnkError('SNK_ROW_STALE', 'secret');
  const failing = audit.record(
    'a',
    { ...deed, action: 'delete row' },
    async () => await Promise.reject(refused),
  );
  await expect(failing).rejects.toBe(refused);
  expect(await audit.list()).toEqual([
    { ...deed, node: 'a', id: '1', at: expect.any(String), action: 'delete row', outcome: 'SNK_ROW_STALE' },
    { ...deed, node: 'b', id: '1', at: expect.any(String), outcome: 'done' },
  ]);
  expect((await audit.list(1)).map(({ node }) => node)).toEqual(['a']);
});

test('nothing is done that cannot be written down', async () => {
  const rig = await linkRig();
  await rig.b.query('drop table snk.audit');
  let done = 0;
  await expect(
    rig.snk.audit.record('b', deed, async () => await Promise.resolve((done += 1))),
  ).rejects.toThrow();
  expect(done).toBe(0);
  expect(await rig.snk.audit.list()).toEqual([]);
});

test('what is done elsewhere, and whatever somebody calls himself, is written in the first node, bounded', async () => {
  const rig = await linkRig();
  const odd = { who: `x\0'; drop schema snk cascade; --`, action: 'a', subject: 'y'.repeat(1_000) };
  await rig.snk.audit.record('nowhere', odd, async () => await Promise.resolve());
  const [entry] = await rig.snk.audit.list();
  expect(entry).toMatchObject({
    node: 'a',
    who: `x'; drop schema snk cascade; --`,
    subject: 'y'.repeat(300),
  });
  await rig.a.query(`select setval(pg_get_serial_sequence('snk.audit', 'id'), 100001)`);
  await rig.snk.audit.record('a', deed, async () => await Promise.resolve());
  expect((await rig.snk.audit.list()).map(({ id }) => id)).toEqual(['100002']);
});
