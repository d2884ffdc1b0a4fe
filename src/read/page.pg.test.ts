import { randomUUID } from 'node:crypto';
import { expect, test } from 'vitest';
import { linkRig } from '../../test/support/link-rig.ts';
import { session } from '../db/orm.ts';

test('probe', async () => {
  const rig = await linkRig();
  const engine = await rig.engine();
  await rig.a.query(
    `do $$ begin for i in 1..20 loop insert into record values (gen_random_uuid(), 'x'); end loop; end $$`,
  );
  const cursor = (
    await rig.b.query<{ low: string }>(`select low::text, nonce::text from snk.cursor where link='a->b'`)
  )[0];
  const page = await engine.reader.read(
    session(rig.orm('a')),
    { low: cursor?.low ?? '', high: null, seq: '0', generation: '0', nonce: randomUUID() },
    { keys: 1000, logRows: 5 },
  );
  expect(page).toMatchObject({ logRows: 5, moreInWindow: true });
});
