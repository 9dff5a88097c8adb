/** The start of one connection, from the acceptor's side: who is there, and is it one of ours? */

import { encodeFrame } from "./control_codec.ts";
import { type ControlIdentity, judgeGreeting, judgeHello, refuse } from "./control_identity.ts";
import type { ControlSecret, ProofSubject } from "./control_secret.ts";
import { CONTROL_PREAMBLE, type ControlFrame, type Hello, type Refusal } from "./control_wire.ts";
import { PeerError } from "./wire.ts";

export type GreetingResult =
  | { readonly kind: "write"; readonly bytes: Uint8Array }
  /** The refusal is still to be sent. */
  | { readonly kind: "refused"; readonly hello: Hello; readonly refusal: Refusal }
  /** It is one of ours; `proof` is what we owe it, empty without a secret. */
  | { readonly kind: "accepted"; readonly hello: Hello; readonly proof: Uint8Array };

export interface GreetingOptions {
  readonly self: ControlIdentity;
  readonly secret: ControlSecret | null;
}

export class Greeting {
  readonly #options: GreetingOptions;
  readonly #nonce: Uint8Array;
  #hello: Hello | null = null;

  /** `nonce`: drawn for this connection alone. */
  constructor(options: GreetingOptions, nonce: Uint8Array) {
    this.#options = options;
    this.#nonce = nonce;
  }

  /** Takes a frame. @throws {PeerError} It has no place in a greeting. */
  take(frame: ControlFrame): GreetingResult[] {
    if (frame.kind === "hello" && this.#hello === null) {
      this.#hello = frame;
      return [{ kind: "write", bytes: CONTROL_PREAMBLE }, this.#greet(frame)];
    }
    if (frame.kind === "proof" && this.#hello !== null) return [this.#examine(frame.proof, this.#hello)];
    throw new PeerError(`sent a ${frame.kind} frame before it was welcomed`);
  }

  #greet(hello: Hello): GreetingResult {
    const { self, secret } = this.#options;
    const refusal = judgeGreeting(hello, self, secret !== null);
    if (refusal !== null) return { kind: "refused", hello, refusal };
    if (secret === null) return this.#judge(hello, new Uint8Array(0));
    return { kind: "write", bytes: encodeFrame({ kind: "challenge", nonce: this.#nonce }) };
  }

  #examine(proof: Uint8Array, hello: Hello): GreetingResult {
    const { self, secret } = this.#options;
    if (secret === null) throw new PeerError("sent a proof that was not asked for");
    if (!secret.isProof(proof, this.#subject(hello, "initiator"))) {
      const refusal = refuse("wrongSecret", self, "was started with another secret");
      return { kind: "refused", hello, refusal };
    }
    return this.#judge(hello, secret.prove(this.#subject(hello, "acceptor")));
  }

  #judge(hello: Hello, proof: Uint8Array): GreetingResult {
    const refusal = judgeHello(hello, this.#options.self);
    return refusal === null ? { kind: "accepted", hello, proof } : { kind: "refused", hello, refusal };
  }

  #subject(hello: Hello, role: ProofSubject["role"]): ProofSubject {
    const { jobId, nodeId, nonce } = hello;
    return { role, initiatorNonce: nonce, acceptorNonce: this.#nonce, jobId, nodeId };
  }
}
