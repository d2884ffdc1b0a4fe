import { describe, expect, test } from 'vitest';
import { factFaults, type NodeFacts } from './probe.ts';

const sound: NodeFacts = {
  name: 'a',
  version: '18.4',
  serverVersionNum: 180_004,
  standby: false,
  database: 'shop',
  user: 'snk',
  hasSchema: false,
  installed: false,
  canCreateSchema: true,
  canUseSchema: true,
  preparedTransactions: false,
  pinned: true,
};

const faults = (changes: Partial<NodeFacts>) => factFaults({ ...sound, ...changes });

describe('a server', () => {
  test.each([140_000, 150_018, 180_004])('of version %i is sound', (serverVersionNum) => {
    expect(faults({ serverVersionNum })).toEqual([]);
  });

  test('older than 14 is refused', () => {
    expect(faults({ serverVersionNum: 130_022, version: '13.22' })).toMatchObject([
      {
        code: 'SNK_SERVER_TOO_OLD',
        at: 'a',
        message: 'PostgreSQL 13.22 is too old',
        hint: expect.stringContaining('14'),
      },
    ]);
  });

  test('that is a standby is refused, and not asked for more rights', () => {
    expect(faults({ standby: true, canCreateSchema: false })).toMatchObject([
      { code: 'SNK_STANDBY', at: 'a' },
    ]);
  });

  test('is refused where schema snk cannot be made, or cannot be used', () => {
    expect(faults({ canCreateSchema: false })).toMatchObject([
      { code: 'SNK_PRIVILEGE', hint: 'grant create on database "shop" to "snk"' },
    ]);
    expect(faults({ canCreateSchema: false, hasSchema: true })).toEqual([]);
    expect(faults({ hasSchema: true, canUseSchema: false })).toMatchObject([
      { code: 'SNK_PRIVILEGE', hint: expect.stringContaining('grant usage on schema snk to "snk"') },
    ]);
  });

  test('is refused where the session lacks the settings it asked for', () => {
    expect(faults({ pinned: false })).toMatchObject([{ code: 'SNK_POOLER' }]);
  });
});
