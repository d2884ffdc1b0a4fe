/** The certificate of the server, read anew when its files change: it is renewed while the server runs. */
import { readFile } from 'node:fs/promises';
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { createSecureContext, type Server } from 'node:tls';
import { FaultsError, type Fault } from '../errors.ts';

export interface CertificateFiles {
  readonly cert: string;
  readonly key: string;
}

export interface Pem {
  readonly cert: string;
  readonly key: string;
}

/** Milliseconds. Files are looked at and not watched: renewals replace them, or a link to their folder. */
const lookEvery = 30_000;

export class Certificate {
  readonly #files: CertificateFiles;
  #pem: Pem;
  /** What could not be served; said once. */
  #refused = '';

  private constructor(files: CertificateFiles, pem: Pem) {
    this.#files = files;
    this.#pem = pem;
  }

  /** Throws FaultsError. */
  static async open(files: CertificateFiles): Promise<Certificate> {
    return new Certificate(files, await readPem(files));
  }

  get pem(): Pem {
    return this.#pem;
  }

  /** Looks after the files until it is stopped. */
  follow(server: Server, onFault: (error: unknown) => void, every = lookEvery): { stop: () => void } {
    const timer = setInterval(() => void this.#look(server, onFault), every).unref();
    return { stop: () => clearInterval(timer) };
  }

  /** What cannot be served changes nothing: of two files that are being written one may be the old one still. */
  async #look(server: Server, onFault: (error: unknown) => void): Promise<void> {
    try {
      const pem = await readPem(this.#files);
      this.#refused = '';
      if (pem.cert === this.#pem.cert && pem.key === this.#pem.key) return;
      server.setSecureContext(pem);
      this.#pem = pem;
    } catch (error) {
      const said = error instanceof Error ? error.message : String(error);
      if (said !== this.#refused) onFault(error);
      this.#refused = said;
    }
  }
}

async function readPem(files: CertificateFiles): Promise<Pem> {
  const faults: Fault[] = [];
  const read = async (name: keyof CertificateFiles): Promise<string> => {
    try {
      return await readFile(files[name], 'utf8');
    } catch (error) {
      const reason = codeOf(error);
      faults.push({
        code: 'SNK_TLS_FILE',
        at: `http.tls.${name}`,
        message: `cannot read ${files[name]} (${reason})`,
      });
      return '';
    }
  };
  const [cert, key] = [await read('cert'), await read('key')];
  if (faults.length > 0) throw new FaultsError(faults);
  try {
    createSecureContext({ cert, key });
    // To the context an empty key is none, and it needs none.
    if (new X509Certificate(cert).checkPrivateKey(createPrivateKey(key))) return { cert, key };
    throw new Error('not of one pair');
  } catch (error) {
    throw new FaultsError([
      {
        code: 'SNK_TLS_FILE',
        at: 'http.tls',
        message: `these are no certificate and its key (${codeOf(error)})`,
        hint: 'Wanted: two PEM files, the certificate with those that it is signed by, and the key it belongs to.',
      },
    ]);
  }
}

function codeOf(error: unknown): string {
  return (error as NodeJS.ErrnoException).code ?? 'unknown';
}
