/**
 * The members of an etcd cluster that a command line names, and which of them to ask next: the one that answered last,
 * and when it fails, those that failed longest ago. What was tried is kept for the message to the user.
 */

import type { InstantMs } from "../core/time.ts";

export interface EtcdMember {
  /** A name, an IPv4 or an IPv6 address, without brackets. */
  readonly host: string;
  readonly port: number;
}

/** `http://a:2379`, the beginning of every URL of a member. */
export function memberUrl({ host, port }: EtcdMember, protocol: "http" | "https"): string {
  return `${protocol}://${host.includes(":") ? `[${host}]` : host}:${port}`;
}

export class EndpointChoice {
  readonly #urls: readonly string[];
  /** When each failed last; those that did not come first. */
  readonly #failedAt = new Map<string, InstantMs>();
  readonly #reasons = new Map<string, string>();
  #good: string | null = null;

  /** `urls`: at least one, in the order of the command line. */
  constructor(urls: readonly string[]) {
    this.#urls = urls;
  }

  /** All members in the order in which to ask them. */
  order(): readonly string[] {
    const failedAt = (url: string) => url === this.#good ? -2 : this.#failedAt.get(url) ?? -1;
    return [...this.#urls].sort((a, b) => failedAt(a) - failedAt(b));
  }

  succeeded(url: string): void {
    this.#good = url;
    this.#failedAt.delete(url);
    this.#reasons.delete(url);
  }

  /** `reason`: a clause, "connection refused". */
  failed(url: string, reason: string, now: InstantMs): void {
    if (this.#good === url) this.#good = null;
    this.#failedAt.set(url, now);
    this.#reasons.set(url, reason);
  }

  /** "http://a:2379 (connection refused), http://b:2379 (no answer for 3 s)". */
  tried(): string {
    return this.#urls.map((url) => `${url} (${this.#reasons.get(url) ?? "not asked"})`).join(", ");
  }
}
