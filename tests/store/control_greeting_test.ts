import { assert, assertEquals, assertThrows } from "@std/assert";
import { utf8 } from "../../lib/core/bytes.ts";
import { Greeting, type GreetingResult } from "../../lib/store/control_greeting.ts";
import { ControlSecret, type ProofSubject } from "../../lib/store/control_secret.ts";
import { CONTROL_PREAMBLE, type Hello } from "../../lib/store/control_wire.ts";
import { PeerError } from "../../lib/store/wire.ts";
import { counting, HOST, NODE, only } from "./control_samples.ts";

const NONCE = counting(32, 7);
const HELLO: Hello = {
  kind: "hello",
  protocols: { min: 1, max: 1 },
  ...{ version: "0.1.0", jobId: NODE.jobId, nodeId: NODE.nodeId, epoch: 0, hostAddress: "" },
  settingsHash: NODE.settingsHash,
  instance: "i".repeat(16),
  ...{ attempt: 1, sessionId: "", received: 0, hasSecret: true, nonce: counting(32) },
};
const SUBJECT: ProofSubject = {
  ...{ role: "initiator", initiatorNonce: HELLO.nonce, acceptorNonce: NONCE },
  ...{ jobId: HELLO.jobId, nodeId: HELLO.nodeId },
};
const secret = new ControlSecret(utf8("secret"));

function prove(hello: Hello, proof: Uint8Array): GreetingResult[] {
  const greeting = new Greeting({ self: HOST, secret }, NONCE);
  const [preamble, challenge] = greeting.take(hello);
  assertEquals(preamble, { kind: "write", bytes: CONTROL_PREAMBLE });
  assert(challenge?.kind === "write", "a secret is asked for");
  return greeting.take({ kind: "proof", proof });
}

Deno.test("Greeting accepts who proves the secret, and has a proof for it in turn", () => {
  const { proof } = only(prove(HELLO, secret.prove(SUBJECT)), "accepted");
  assert(secret.isProof(proof, { ...SUBJECT, role: "acceptor" }));
});

Deno.test("Greeting refuses a proof by another secret, for another connection, or reflected", () => {
  const proofs = [
    new ControlSecret(utf8("Secret")).prove(SUBJECT),
    secret.prove({ ...SUBJECT, acceptorNonce: counting(32, 8) }),
    secret.prove({ ...SUBJECT, role: "acceptor" }),
    new Uint8Array(32),
  ];
  for (const proof of proofs) {
    assertEquals(only(prove(HELLO, proof), "refused").refusal.reason, "wrongSecret");
  }
});

Deno.test("Greeting tells nothing of the job to who did not prove the secret", () => {
  const hello = { ...HELLO, jobId: "guessed", settingsHash: "" };
  const { refusal } = only(prove(hello, new Uint8Array(32)), "refused");
  assertEquals(refusal.detail, "was started with another secret");
  const proof = secret.prove({ ...SUBJECT, jobId: "guessed" });
  assertEquals(only(prove(hello, proof), "refused").refusal.reason, "wrongJob");
});

Deno.test("Greeting without a secret accepts at once, and takes no proof", () => {
  const greeting = new Greeting({ self: HOST, secret: null }, NONCE);
  const hello = { ...HELLO, hasSecret: false };
  assertEquals(greeting.take(hello).at(-1), { kind: "accepted", hello, proof: new Uint8Array(0) });
  assertThrows(() => greeting.take({ kind: "proof", proof: NONCE }), PeerError, "not asked for");
  assertThrows(() => greeting.take(hello), PeerError, "sent a hello frame before it was welcomed");
});
