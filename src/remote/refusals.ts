/** What the hub answers to a request that it does not do. */
import type { z } from 'zod';
import { SnkError } from '../errors.ts';
import { differingTable } from './link-words.ts';
import { protocol } from './operations.ts';

export function notUnderstood(operation: string, issue: z.core.$ZodIssue | undefined): SnkError {
  const at = issue?.path.map(String).join('.') ?? '';
  return new SnkError('SNK_REQUEST', `${operation}: ${at}: ${issue?.message ?? 'not understood'}`, {
    hint: 'Both sides are to run the same version of SNK.',
  });
}

/** After a restart of the hub nothing is lost but this. */
export function unopened(link: string): SnkError {
  return new SnkError('SNK_SESSION', `link ${link} is to be opened first`, { fate: 'retry' });
}

export function left(link: string): SnkError {
  return new SnkError('SNK_INTERRUPTED', `link ${link}: who asked is gone`, { fate: 'retry' });
}

export function otherProtocol(asked: number): SnkError {
  return new SnkError('SNK_PROTOCOL', `protocol ${asked} is asked for, and this hub speaks ${protocol}`, {
    hint: 'Run the same version of SNK on both sides.',
  });
}

export function differs(name: string, ours: string, theirs: string): SnkError {
  let table: string | null = null;
  try {
    table = differingTable(ours, theirs);
  } catch {
    // What is no description of a link differs in everything.
  }
  const where = table === null ? 'the order of its flows or of the nodes' : `the flow into ${table}`;
  return new SnkError('SNK_LINK_DIFFERS', `link ${name}: ${where} is not declared alike on both sides`, {
    hint: 'A link through a hub stands in both configurations: make them say the same.',
  });
}

export function taken(node: string): SnkError {
  return new SnkError('SNK_NODE_TAKEN', `${node}: its database is known to the hub as another node`, {
    hint: "Each node has a key of its own. Of a copied database: 'snk uninstall --yes' there, then 'snk run'.",
  });
}

export function replaced(link: string, node: string): SnkError {
  return new SnkError('SNK_NODE_REPLACED', `link ${link}: ${node} is not the database it was`, {
    hint: 'Revoke its key on the hub and give the new database one of another name.',
  });
}
