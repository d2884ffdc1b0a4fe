/** The keys of a hub: made, shown once, kept as hashes, and asked for by everyone who comes in over HTTP. */
import { closest } from 'fastest-levenshtein';
import { durableCommit } from '../db/durable.ts';
import { Flights } from '../db/flights.ts';
import { session, type EntityManager, type MikroORM } from '../db/orm.ts';
import { prepared } from '../db/prepared.ts';
import { query, type Bind } from '../db/query.ts';
import { codeOf, toSnkError } from '../db/sqlstate.ts';
import { SnkError } from '../errors.ts';
import type { Topology } from '../topology/topology.ts';
import { hashOf, isSameHash, nameIn, newKey } from './key-text.ts';
import { homeOfKeys, keyedLinks, requireLinks, requireName } from './keyed-links.ts';

export interface KeyInfo {
  readonly name: string;
  readonly links: readonly string[];
  readonly createdAt: string;
  /** To the minute. */
  readonly lastUsedAt: string | null;
  readonly revokedAt: string | null;
}

/** Said once: only its hash is kept. */
export interface NewKey {
  readonly name: string;
  readonly key: string;
}

/** Who came with a good key. */
export interface Holder {
  /** Of the key, and of the node that came with it. */
  readonly name: string;
  /** As configured; those that the configuration has still got. */
  readonly links: readonly string[];
  /** Of this key, not of the next one of the same name; it opens nothing. */
  readonly id: string;
}

export interface RotateOptions {
  /**
   * Milliseconds that the old key is good for beside the new one. Default: none, since a key is rotated when somebody may
   * have seen it; and a node whose key is refused loses nothing: it goes on where it was once it has the new one.
   */
  readonly grace?: number;
}

const isGood = `revoked_at is null`;
const isCurrentPrevious = `previous_until > clock_timestamp()`;

const findText = prepared(`
select
  name,
  hash,
  case when ${isCurrentPrevious} then previous_hash end as "previousHash",
  links,
  coalesce(last_used_at < clock_timestamp() - interval '1 minute', true) as "unseen"
from snk.key
where name = any ($1::text[])
  and ${isGood}`);

// A row that somebody else has locked is left alone: nobody waits to be let in for this.
const seenText = prepared(`
update snk.key
set last_used_at = clock_timestamp()
where name = (
  select name
  from snk.key
  where name = $1
    and coalesce(last_used_at < clock_timestamp() - interval '1 minute', true)
  for update skip locked
)`);

const stillGoodText = prepared(`
select hash as id
from snk.key
where hash = any($1::text[])
  and ${isGood}
union all
select previous_hash
from snk.key
where previous_hash = any($1::text[])
  and ${isCurrentPrevious}
  and ${isGood}`);

interface Found {
  readonly name: string;
  readonly hash: string;
  readonly previousHash: string | null;
  readonly links: readonly string[];
  readonly unseen: boolean;
}

const iso = (column: string): string =>
  `to_char(${column} at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')`;

export class Keys {
  readonly #topology: Topology;
  readonly #ormOf: (node: string) => MikroORM;
  /** Hundreds come at the same moment; none of them is told what was found before it came. */
  readonly #finding = new Flights<string, Found | undefined>(async (names) => {
    const found = await this.#read<Found>(findText, [[...new Set(names)]]);
    return names.map((name) => found.find((each) => each.name === name));
  });

  constructor(topology: Topology, ormOf: (node: string) => MikroORM) {
    this.#topology = topology;
    this.#ormOf = ormOf;
  }

  /** Throws SNK_USAGE where the name is taken, but for that of a key that was revoked: its node may come back. */
  async create(name: string, links: readonly string[]): Promise<NewKey> {
    this.#home();
    requireName(this.#topology, name);
    const bound = requireLinks(this.#topology, links);
    const key = newKey(name);
    const made = await this.#write(
      `insert into snk.key (name, links, hash)
       select $1, $2::text[], $3 from durable
       on conflict (name) do update
       set
         links = excluded.links,
         hash = excluded.hash,
         previous_hash = null,
         previous_until = null,
         created_at = clock_timestamp(),
         last_used_at = null,
         revoked_at = null
       where key.revoked_at is not null
       returning name`,
      [name, bound, hashOf(key)],
    );
    if (made > 0) return { name, key };
    throw new SnkError('SNK_USAGE', `there is a key '${name}'`, {
      hint: `'snk keys rotate ${name}' gives it a new secret; after 'snk keys revoke ${name}' it can be created anew.`,
    });
  }

  async list(): Promise<readonly KeyInfo[]> {
    return await this.#read<KeyInfo>(
      `select
         name,
         links,
         ${iso('created_at')} as "createdAt",
         ${iso('last_used_at')} as "lastUsedAt",
         ${iso('revoked_at')} as "revokedAt"
       from snk.key
       order by name`,
    );
  }

  /** A new secret for the same name and links. Throws SNK_USAGE where there is no such key. */
  async rotate(name: string, { grace = 0 }: RotateOptions = {}): Promise<NewKey> {
    const key = newKey(name);
    const rotated = await this.#write(
      `update snk.key
       set
         hash = $2,
         previous_hash = case when $3::float8 > 0 then hash end,
         previous_until = case when $3::float8 > 0 then clock_timestamp() + $3::float8 * interval '1 millisecond' end
       from durable
       where name = $1
         and ${isGood}
       returning name`,
      [name, hashOf(key), grace],
    );
    if (rotated > 0) return { name, key };
    await this.#require(name);
    throw new SnkError('SNK_USAGE', `key '${name}' is revoked`, { hint: "'snk keys create' makes it anew." });
  }

  /** From its commit on nobody is let in with it. False: it was revoked before. Throws SNK_USAGE where there is no such key. */
  async revoke(name: string): Promise<boolean> {
    const revoked = await this.#write(
      `update snk.key
       set revoked_at = clock_timestamp()
       from durable
       where name = $1
         and ${isGood}
       returning name`,
      [name],
    );
    if (revoked === 0) await this.#require(name);
    return revoked > 0;
  }

  /**
   * Null: it is no key, or not any more; why is nobody's business. Asked of the database each time, so that a revocation by
   * any process acts at once. Throws where the database cannot be asked: that says nothing about the key.
   */
  async authenticate(key: string): Promise<Holder | null> {
    const name = nameIn(key);
    if (name === null || homeOfKeys(this.#topology) === null) return null;
    const id = hashOf(key);
    const found = await this.#finding.join(name);
    if (found === undefined) return null;
    const { hash, previousHash, links, unseen } = found;
    if (!isSameHash(id, hash) && !(previousHash !== null && isSameHash(id, previousHash))) return null;
    if (unseen) await this.#read(seenText, [name]).catch(() => undefined);
    const known = new Set(keyedLinks(this.#topology).map((link) => link.name));
    return { name, links: links.filter((link) => known.has(link)), id };
  }

  /** Which of these holders would be let in now: one query, however many wait. */
  async stillGood(ids: readonly string[]): Promise<ReadonlySet<string>> {
    if (ids.length === 0) return new Set();
    return new Set((await this.#read<{ id: string }>(stillGoodText, [ids])).map(({ id }) => id));
  }

  async #require(name: string): Promise<void> {
    const names = (await this.list()).map((each) => each.name);
    if (names.includes(name)) return;
    throw new SnkError('SNK_USAGE', `there is no key '${name}'`, {
      hint:
        names.length > 0
          ? `Did you mean '${closest(name, names)}'?`
          : "'snk keys create' makes the first one.",
    });
  }

  #home(): string {
    const home = homeOfKeys(this.#topology);
    if (home !== null) return home;
    throw new SnkError('SNK_USAGE', 'no link of the configuration has a node that comes with a key', {
      hint: 'Such a node is declared as { keyed: true }.',
    });
  }

  /** How many rows it wrote; they outlive a crash once it is answered. */
  async #write(text: string, binds: readonly Bind[]): Promise<number> {
    return (await this.#read(`with durable as materialized (select ${durableCommit}) ${text}`, binds)).length;
  }

  async #read<Row>(text: string, binds: readonly Bind[] = []): Promise<Row[]> {
    const home = this.#home();
    try {
      return await query<Row>(this.#session(home), text, binds);
    } catch (error) {
      if (codeOf(error) !== '42P01') throw toSnkError(error, 'keys');
      throw new SnkError('SNK_NOT_INSTALLED', `${home} has no table of keys yet`, {
        hint: "Run 'snk install'.",
      });
    }
  }

  #session(home: string): EntityManager {
    return session(this.#ormOf(home));
  }
}
