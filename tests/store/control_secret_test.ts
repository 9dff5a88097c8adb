import { assertEquals } from "@std/assert";
import { utf8 } from "../../lib/core/bytes.ts";
import { ControlSecret, type ProofSubject } from "../../lib/store/control_secret.ts";
import { counting } from "./control_samples.ts";

const SUBJECT: ProofSubject = {
  role: "initiator",
  initiatorNonce: counting(32),
  acceptorNonce: counting(32, 100),
  jobId: "llama",
  nodeId: "nöde-1",
};

const secret = new ControlSecret(utf8("correct horse battery staple"));

Deno.test("ControlSecret proves with HMAC-SHA256, as another implementation computes it", async () => {
  const usage = { name: "HMAC", hash: "SHA-256" };
  const key = await crypto.subtle.importKey("raw", utf8("correct horse battery staple"), usage, false, [
    "sign",
  ]);
  const text = "33:muster control channel, initiator5:llama7:nöde-132:";
  const message = new Uint8Array([...utf8(text), ...counting(32), ...utf8("32:"), ...counting(32, 100)]);
  assertEquals(secret.prove(SUBJECT), new Uint8Array(await crypto.subtle.sign("HMAC", key, message)));
});

Deno.test("ControlSecret.isProof() takes the right proof and no other", () => {
  const proof = secret.prove(SUBJECT);
  assertEquals(secret.isProof(proof, SUBJECT), true);
  for (let bit = 0; bit < 8 * proof.length; bit++) {
    const wrong = proof.slice();
    wrong[bit >> 3]! ^= 1 << (bit & 7);
    assertEquals(secret.isProof(wrong, SUBJECT), false);
  }
  assertEquals(secret.isProof(proof.subarray(0, 31), SUBJECT), false);
  assertEquals(secret.isProof(new Uint8Array([...proof, 0]), SUBJECT), false);
  assertEquals(secret.isProof(new Uint8Array(0), SUBJECT), false);
});

Deno.test("ControlSecret.isProof() refuses a proof of anything else", () => {
  const others: ProofSubject[] = [
    { ...SUBJECT, role: "acceptor" },
    { ...SUBJECT, initiatorNonce: counting(32, 1) },
    { ...SUBJECT, acceptorNonce: counting(32, 101) },
    { ...SUBJECT, jobId: "llama2" },
    { ...SUBJECT, nodeId: "node-1" },
    { ...SUBJECT, jobId: "llam", nodeId: "anöde-1" },
  ];
  for (const other of others) assertEquals(secret.isProof(secret.prove(other), SUBJECT), false);
  const otherSecret = new ControlSecret(utf8("correct horse battery stapl"));
  assertEquals(secret.isProof(otherSecret.prove(SUBJECT), SUBJECT), false);
});

Deno.test("ControlSecret.of() is the same with and without the newline that files and variables may end with", () => {
  const proof = ControlSecret.of("correct horse battery staple\n")!.prove(SUBJECT);
  assertEquals(secret.isProof(proof, SUBJECT), true);
  assertEquals([ControlSecret.of(""), ControlSecret.of(" \n")], [null, null]);
});
