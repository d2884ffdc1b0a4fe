import { describe, expect, test } from 'vitest';
import { parseConfig } from './config.ts';
import { withCopyOptions, type CopyOptions } from './copy-options.ts';

const nodes = { a: { url: 'postgres://u:p@one/x' }, b: { url: 'postgres://u:p@two/x' } };
const pair = { between: ['a', 'b'], tables: ['both'] };

function existingOf(links: object[], options: CopyOptions): string[] {
  const { links: changed } = withCopyOptions(parseConfig({ nodes, links }), options);
  return changed.flatMap(({ name, flows }) =>
    flows.map(({ from, existing }) => `${name} ${from} ${existing}`),
  );
}

describe('what a run says of rows that are there', () => {
  test('stands in place of what the configuration says', () => {
    const flows = [{ from: 'one' }, { from: 'two', existing: 'skip' }];
    const links = [{ from: 'a', to: 'b', flows }];
    expect(existingOf(links, { existing: 'overwrite' })).toEqual([
      'a->b public.one overwrite',
      'a->b public.two overwrite',
    ]);
    expect(existingOf(links, {})).toEqual(['a->b public.one conflict', 'a->b public.two skip']);
  });

  test('leaves flows alone whose way of writing says it already', () => {
    const flows = [{ from: 'one', write: 'insert' }, { from: 'two' }];
    expect(existingOf([{ from: 'a', to: 'b', flows }], { existing: 'skip' })).toEqual([
      'a->b public.one conflict',
      'a->b public.two skip',
    ]);
  });

  test('is a usage error where every flow is of that kind', () => {
    const existing = () =>
      existingOf([{ from: 'a', to: 'b', flows: [{ from: 'one', write: 'insert' }] }], { existing: 'skip' });
    expect(existing).toThrow(expect.objectContaining({ code: 'SNK_USAGE' }));
  });

  test('has the node listed first overwrite the other, where rows travel both ways', () => {
    expect(existingOf([pair], { existing: 'overwrite' })).toEqual([
      'a->b public.both overwrite',
      'b->a public.both skip',
    ]);
    const reversed = { between: ['b', 'a'], flows: [{ from: 'x', to: 'y' }] };
    expect(existingOf([reversed], { existing: 'overwrite' })).toEqual([
      'b->a public.x skip',
      'a->b public.y overwrite',
    ]);
  });

  test('is the same of tables of which each travels one way', () => {
    const links = [
      { from: 'a', to: 'b', tables: ['x'] },
      { from: 'b', to: 'a', tables: ['y'] },
    ];
    expect(existingOf(links, { existing: 'overwrite' })).toEqual([
      'a->b public.x overwrite',
      'b->a public.y overwrite',
    ]);
  });

  test.each(['skip', 'conflict'] as const)('is the same of both directions: %s', (existing) => {
    expect(existingOf([pair], { existing })).toEqual([
      `a->b public.both ${existing}`,
      `b->a public.both ${existing}`,
    ]);
  });
});

describe('what a run says of rows a second', () => {
  test('stands in place of what the configuration says, and 0 is no limit', () => {
    const config = parseConfig({ nodes, links: [pair], limits: { copyRowsPerSecond: 7 } });
    const limitOf = (rowsPerSecond?: number) =>
      withCopyOptions(config, { rowsPerSecond }).limits.copyRowsPerSecond;
    expect([limitOf(), limitOf(500), limitOf(0)]).toEqual([7, 500, 0]);
    expect(withCopyOptions(config, { rowsPerSecond: 500 })).toEqual({
      ...config,
      limits: { ...config.limits, copyRowsPerSecond: 500 },
    });
  });
});
