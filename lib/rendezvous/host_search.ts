/** Where a node looks for its host: the places, one after the other, and what it met at each. */

import type { FleetEffect } from "./fleet_events.ts";
import type { Waiting } from "./meeting.ts";
import type { JobSettings } from "./settings.ts";
import { hostNotFound, waitingForHost } from "./texts.ts";

/** How long one address of several is tried. */
const CANDIDATE_MS = 3_000;

export class HostSearch {
  readonly #settings: JobSettings;
  #places: readonly string[];
  #index = 0;
  #leads: readonly string[] = [];
  readonly #problems = new Map<string, string>();

  constructor(places: readonly string[], settings: JobSettings) {
    this.#places = places;
    this.#settings = settings;
  }

  get places(): readonly string[] {
    return this.#places;
  }

  set places(places: readonly string[]) {
    this.#places = [...new Set(places)];
    this.#index = 0;
    this.#leads = [];
  }

  /** The place that is tried says where the host is. */
  lead(addresses: readonly string[]): void {
    this.#leads = addresses;
  }

  /** The one that is tried, or was last. */
  get address(): string {
    return this.#places[this.#index % this.#places.length]!;
  }

  restart(): void {
    this.#index = 0;
  }

  /** Goes on to the next place, or to the first again; whether all were tried. */
  next(): boolean {
    if (this.#leads.length > 0) {
      this.places = [...this.#leads, ...this.#places];
      return false;
    }
    this.#index++;
    return this.#index >= this.#places.length;
  }

  /** `isStandby`: this node takes over when the others are not found. */
  attempt(isStandby: boolean): Extract<FleetEffect, { kind: "connect" }> {
    const isOneOfSeveral = this.#places.length > 1 || isStandby;
    const connectMs = isOneOfSeveral ? CANDIDATE_MS : this.#settings.joinMs;
    return { kind: "connect", address: this.address, connectMs };
  }

  noteProblem(problem: string): void {
    this.#problems.set(this.address, problem);
  }

  /** What is to be said of an attempt that came to nothing; null: it was said. */
  fail(problem: string, how: { readonly leftMs: number; readonly isFirst: boolean }): Waiting | null {
    if (problem === this.#problems.get(this.address)) return null;
    this.noteProblem(problem);
    return waitingForHost(this.address, problem, how, this.#settings);
  }

  /** Why it is given up. */
  get notFoundText(): string {
    return hostNotFound(this.#places, this.#settings.joinMs, this.#problems);
  }
}
