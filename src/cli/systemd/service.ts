/** What systemd is told of a run: that it is ready, how its links and its hub fare, that they turn, and that it ends. */
import type { Events } from '../../telemetry/events.ts';
import type { Health } from '../../telemetry/health.ts';
import type { Notify } from './notify.ts';

/** Milliseconds: a link that fails and recovers many times a second is told of once. */
const statusPause = 1_000;

export interface ServiceOptions {
  readonly events: Events;
  readonly health: Health;
  readonly notify: Notify;
  /** Milliseconds; null: no watchdog is set. */
  readonly watchdog: number | null;
}

export class Service {
  readonly #options: ServiceOptions;
  readonly #turned = new Set<string>();
  #hasHubTurned = false;
  readonly #looking: NodeJS.Timeout | null = null;
  #statusTimer: NodeJS.Timeout | null = null;
  #told = '';
  #isReady = false;
  #isEnding = false;

  constructor(options: ServiceOptions) {
    this.#options = options;
    const { events, watchdog } = options;
    events.on('link:turned', ({ link }) => this.#turned.add(link));
    for (const name of ['link:state', 'link:failed', 'link:recovered'] as const)
      events.on(name, () => this.#look());
    for (const name of ['node:unreachable', 'node:reached'] as const) events.on(name, () => this.#look());
    events.on('hub:turned', () => {
      this.#hasHubTurned = true;
      this.#look();
    });
    if (watchdog !== null) this.#looking = setInterval(() => this.#ping(), watchdog / 6).unref();
  }

  /** From now on nothing else is told. Resolves when systemd knows. */
  async end(): Promise<void> {
    if (this.#isEnding) return;
    this.#isEnding = true;
    if (this.#looking !== null) clearInterval(this.#looking);
    if (this.#statusTimer !== null) clearTimeout(this.#statusTimer);
    await this.#options.notify('STOPPING=1', 'STATUS=ending');
  }

  #look(): void {
    if (this.#isEnding) return;
    if (!this.#isReady && this.#options.health.hasRun) {
      this.#isReady = true;
      this.#tell('READY=1');
    } else {
      this.#statusTimer ??= setTimeout(() => {
        this.#statusTimer = null;
        if (this.#status() !== this.#told) this.#tell();
      }, statusPause).unref();
    }
  }

  /** Only once every link, and the hub, has begun its loop again: one that hangs keeps systemd waiting, until it starts all anew. */
  #ping(): void {
    const { health } = this.#options;
    const links = health.links.filter(({ state }) => state !== 'stopped');
    if (!this.#isReady || links.some(({ link }) => !this.#turned.has(link))) return;
    if (health.served > 0 && !this.#hasHubTurned) return;
    this.#turned.clear();
    this.#hasHubTurned = false;
    this.#tell('WATCHDOG=1');
  }

  #tell(...assignments: readonly string[]): void {
    this.#told = this.#status();
    void this.#options.notify(...assignments, `STATUS=${this.#told}`);
  }

  #status(): string {
    const { links, unreachable, hasRun, served } = this.#options.health;
    const away = unreachable.length > 0 ? `waiting for ${unreachable.join(', ')}` : null;
    if (!hasRun && away !== null) return away;
    const hub = served === 0 ? [] : [away ?? `serves ${served} links`];
    const fine = links.filter((link) => link.ready).length;
    const others = links
      .filter((link) => !link.ready)
      .map(({ link, state, code }) => `${link} ${state}${code === null ? '' : ` (${code})`}`);
    const own = links.length === 0 && served > 0 ? [] : [`${fine} of ${links.length} links at work`];
    return [...own, ...hub, ...others].join('; ');
  }
}
