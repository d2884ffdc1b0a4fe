import { EventEmitter } from 'node:events';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { expect, test } from 'vitest';
import { Line } from './line.ts';

const bounds = { all: 3, each: 2 };

interface Asked {
  readonly socket: EventEmitter;
  /** `in`, or `gone`: was over before. */
  state: 'waits' | 'in' | 'gone';
  leave: () => void;
}

async function ask(line: Line, key: string, socket = new EventEmitter()): Promise<Asked> {
  const asked: Asked = { socket, state: 'waits', leave: () => undefined };
  const request = { headers: { authorization: key }, raw: { socket } } as unknown as FastifyRequest;
  const reply = { raw: new EventEmitter() } as unknown as FastifyReply;
  const take = async (): Promise<void> => {
    const leave = await line.turn(request, reply);
    asked.state = leave === null ? 'gone' : 'in';
    asked.leave = leave ?? asked.leave;
  };
  void take();
  await settled();
  return asked;
}

const settled = async (): Promise<void> => await new Promise((resolve) => void setImmediate(resolve));

test('nobody has more than a part of the turns, however he writes who he is, and the others do not wait for him', async () => {
  const line = new Line(bounds);
  const own = [await ask(line, 'Bearer a'), await ask(line, 'bearer a'), await ask(line, 'BEARER a')];
  const other = await ask(line, 'Bearer b');
  const late = await ask(line, 'Bearer c');
  expect(own.map(({ state }) => state)).toEqual(['in', 'in', 'waits']);
  expect([other.state, late.state]).toEqual(['in', 'waits']);
  own[0]?.leave();
  own[0]?.leave();
  await settled();
  expect([own[2]?.state, late.state]).toEqual(['in', 'waits']);
  other.leave();
  await settled();
  expect(late.state).toBe('in');
});

test('a turn ends with its connection, also where node does not tell the answer of it', async () => {
  const line = new Line(bounds);
  const socket = new EventEmitter();
  const piped = [await ask(line, 'a', socket), await ask(line, 'a', socket), await ask(line, 'a', socket)];
  const next = await ask(line, 'a');
  expect([...piped, next].map(({ state }) => state)).toEqual(['in', 'in', 'waits', 'waits']);
  socket.emit('close');
  await settled();
  expect([...piped, next].map(({ state }) => state)).toEqual(['in', 'in', 'gone', 'in']);
  for (const key of ['a', 'b']) expect((await ask(line, key)).state).toBe('in');
});

test('a request that is over already has no turn', async () => {
  const line = new Line(bounds);
  const gone = Object.assign(new EventEmitter(), { destroyed: true });
  for (let i = 0; i < 5; i++) await ask(line, 'a', gone);
  expect((await ask(line, 'a')).state).toBe('in');
});
