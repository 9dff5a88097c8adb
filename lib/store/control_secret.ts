/**
 * The shared secret of a job: each side proves to the other that it has it, without sending it. HMAC-SHA256 over what
 * both sides drew and who the initiator says it is. It keeps strangers out; it does not hide or protect what is sent
 * afterwards from who can read and change packets on the way.
 */

import { hmac } from "@noble/hashes/hmac";
import { sha256 } from "@noble/hashes/sha2";
import { concat, utf8 } from "../core/bytes.ts";

export interface ProofSubject {
  /** Who proves. Different for the two, so that no proof can be sent back to where it came from. */
  readonly role: "initiator" | "acceptor";
  readonly initiatorNonce: Uint8Array;
  readonly acceptorNonce: Uint8Array;
  readonly jobId: string;
  /** The initiator's. */
  readonly nodeId: string;
}

export class ControlSecret {
  readonly #secret: Uint8Array;

  constructor(secret: Uint8Array) {
    this.#secret = secret;
  }

  /** As a file or a variable has it, which may end with a newline on one node and not on another; null: it is empty. */
  static of(text: string): ControlSecret | null {
    const secret = text.trim();
    return secret === "" ? null : new ControlSecret(utf8(secret));
  }

  prove(subject: ProofSubject): Uint8Array {
    const { role, initiatorNonce, acceptorNonce, jobId, nodeId } = subject;
    const texts = [`muster control channel, ${role}`, jobId, nodeId].map(utf8);
    const parts = [...texts, initiatorNonce, acceptorNonce];
    // With their lengths, so that no two subjects give the same bytes.
    return hmac(sha256, this.#secret, concat(parts.flatMap((part) => [utf8(`${part.length}:`), part])));
  }

  /** Whether `proof` is right, in a time that does not tell how much of it is. */
  isProof(proof: Uint8Array, subject: ProofSubject): boolean {
    const expected = this.prove(subject);
    let difference = proof.length ^ expected.length;
    for (let index = 0; index < expected.length; index++) {
      difference |= expected[index]! ^ (proof[index] ?? 0);
    }
    return difference === 0;
  }
}
