/**
 * HTTP to the members of an etcd cluster: what is asked goes to the member that answered last, and to the others when that
 * one fails, is silent or has no leader. Plain or TLS, with a client's certificate where one is asked for.
 *
 * A member that passes a request on to a leader that has frozen stays silent itself, for longer than it takes the others to
 * choose a new one. So where it does no harm (`hedgeMs`) others are asked beside a silent one, and then all once more.
 */

import { SystemError } from "../core/errors.ts";
import { durationText } from "../core/time.ts";
import { EndpointChoice } from "../etcd/endpoints.ts";
import { monotonicNow } from "./clock.ts";

/** Paths of PEM files, as `--rdzv-conf` names them. */
export interface TlsFiles {
  /** Null: the authorities that the system trusts. */
  readonly ca: string | null;
  readonly certificate: string | null;
  readonly key: string | null;
}

export interface HttpQuestion {
  readonly method: "GET" | "PUT" | "POST" | "DELETE";
  readonly path: string;
  readonly body?: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** How long one member may take. */
  readonly attemptMs: number;
  /**
   * After so long without an answer another member is asked as well, for what may happen twice. Without it each is asked
   * once, one after the other.
   */
  readonly hedgeMs?: number;
  readonly signal?: AbortSignal;
}

export interface HttpAnswer {
  readonly status: number;
  readonly text: string;
  readonly headers: Headers;
}

/** No member answered. It may have happened all the same. */
export class EtcdUnreachableError extends Error {
  override readonly name = "EtcdUnreachableError";
}

/** What an answer says of its member: a clause when it can't serve now, so that another is asked; null: it can. */
export type JudgeMember = (answer: HttpAnswer) => string | null;

export class EtcdCluster {
  readonly choice: EndpointChoice;
  readonly #client: Deno.HttpClient;
  #isClosed = false;

  /** @param urls Beginnings of URLs, one for each member (`memberUrl`). @throws {SystemError} A file can't be used. */
  constructor(urls: readonly string[], tls: TlsFiles | null = null) {
    this.choice = new EndpointChoice(urls);
    this.#client = createClient(tls);
  }

  /** The first answer of a member that can serve. @throws {EtcdUnreachableError} None answered. */
  ask(question: HttpQuestion, judge: JudgeMember): Promise<HttpAnswer> {
    const { hedgeMs, signal } = question;
    const members = this.choice.order();
    const urls = hedgeMs !== undefined && members.length > 1 ? [...members, ...members] : members;
    const ending = new AbortController();
    const { promise, resolve, reject } = Promise.withResolvers<HttpAnswer>();
    let next = 0, open = 0;
    let timer: ReturnType<typeof setTimeout> | undefined;
    const end = (conclude: () => void) => {
      clearTimeout(timer);
      ending.abort();
      conclude();
    };
    const askNext = (): void => {
      clearTimeout(timer);
      const url = urls[next];
      if (url === undefined) return open > 0 ? undefined : end(() => reject(this.unreachable()));
      next++;
      open++;
      if (hedgeMs !== undefined && next < urls.length) timer = setTimeout(askNext, hedgeMs);
      askOne(url).catch((error) => end(() => reject(error)));
    };
    const askOne = async (url: string): Promise<void> => {
      const answer = await this.#attempt(url, question, ending.signal);
      open--;
      if (ending.signal.aborted) return;
      if (signal?.aborted) throw new EtcdUnreachableError("The request to etcd was given up");
      const problem = typeof answer === "string" ? answer : judge(answer);
      if (problem !== null || typeof answer === "string") {
        this.choice.failed(url, problem ?? "no answer", monotonicNow());
        return askNext();
      }
      this.choice.succeeded(url);
      end(() => resolve(answer));
    };
    askNext();
    return promise;
  }

  /**
   * Opens an answer that comes little by little, from the first member that begins one.
   * @throws {EtcdUnreachableError} None did.
   */
  async open(question: HttpQuestion): Promise<{ readonly url: string; readonly response: Response }> {
    for (const url of this.choice.order()) {
      const attempt = new AbortController();
      const timer = setTimeout(() => attempt.abort(silence(question.attemptMs)), question.attemptMs);
      try {
        const response = await this.#fetch(url, question, attempt.signal);
        if (response.ok) return { url, response };
        this.choice.failed(url, `HTTP status ${response.status}`, monotonicNow());
        await response.body?.cancel();
      } catch (error) {
        if (question.signal?.aborted) break;
        this.choice.failed(url, reasonOf(error), monotonicNow());
      } finally {
        clearTimeout(timer);
      }
    }
    throw this.unreachable();
  }

  unreachable(): EtcdUnreachableError {
    return new EtcdUnreachableError(`etcd can't be reached: ${this.choice.tried()}`);
  }

  /** Any number of times. */
  close(): void {
    if (!this.#isClosed) this.#client.close();
    this.#isClosed = true;
  }

  async #attempt(url: string, question: HttpQuestion, ending: AbortSignal): Promise<HttpAnswer | string> {
    const attempt = new AbortController();
    const timer = setTimeout(() => attempt.abort(silence(question.attemptMs)), question.attemptMs);
    try {
      const response = await this.#fetch(url, question, AbortSignal.any([attempt.signal, ending]));
      return { status: response.status, text: await response.text(), headers: response.headers };
    } catch (error) {
      return reasonOf(error);
    } finally {
      clearTimeout(timer);
    }
  }

  #fetch(
    url: string,
    { method, path, body, headers, signal }: HttpQuestion,
    attempt: AbortSignal,
  ): Promise<Response> {
    return fetch(url + path, {
      client: this.#client,
      method,
      signal: signal === undefined ? attempt : AbortSignal.any([signal, attempt]),
      // etcd 2's API sends a client to the leader; a redirect keeps method and body.
      redirect: "follow",
      ...(headers === undefined ? {} : { headers }),
      ...(body === undefined ? {} : { body }),
    });
  }
}

function createClient(tls: TlsFiles | null): Deno.HttpClient {
  // Over HTTP/2 etcd would take a request for one of gRPC's.
  const plain = { http1: true, http2: false };
  if (tls === null) return Deno.createHttpClient(plain);
  const { ca, certificate, key } = tls;
  const caCerts = ca === null ? {} : { caCerts: [readPem(ca, "the authority's certificate")] };
  if (certificate === null) return Deno.createHttpClient({ ...plain, ...caCerts });
  const cert = readPem(certificate, "the client's certificate");
  // As for Python's ssl module, one file may hold both.
  const keyText = key === null ? cert : readPem(key, "the client's key");
  try {
    return Deno.createHttpClient({ ...plain, ...caCerts, cert, key: keyText });
  } catch (error) {
    throw new SystemError(
      `Cannot use ${certificate} as the client's certificate for etcd: ${reasonOf(error)}`,
    );
  }
}

function readPem(path: string, what: string): string {
  try {
    return Deno.readTextFileSync(path);
  } catch (error) {
    throw new SystemError(`Cannot read ${what} for etcd, ${path}: ${reasonOf(error)}`);
  }
}

function silence(attemptMs: number): Error {
  return new Error(`no answer for ${durationText(attemptMs)}`);
}

/** The innermost cause, without what everybody knows: "connection refused". */
export function reasonOf(error: unknown): string {
  let text = error instanceof Error ? error.message : String(error);
  for (let inner = error; inner instanceof Error; inner = inner.cause) text = inner.message;
  const known = /(connection refused|connection reset|no route to host|network is unreachable|timed out)/i
    .exec(text);
  if (known !== null) return known[1]!.toLowerCase();
  const unresolved = /failed to lookup address information: (.*)/.exec(text);
  if (unresolved !== null) return `its name can't be resolved: ${unresolved[1]}`;
  return text.replace(/^.*error sending request( for url)? ?\(?[^)]*\)?:? /, "").replace(
    /^client error \(\w+\): /,
    "",
  );
}
