/**
 * Dialogues of the control channel, kept byte for byte (control_dialogues/*.txt): what one version said must be
 * understood, and answered in the same words, by every version that shares a protocol with it. A file has a line each
 * for what happens (`connect`, `cut`, `initiator sends TYPE TEXT`, `acceptor ends` …), for what the initiator puts on
 * the wire (`> hex`) and for what the acceptor does (`< hex`); before that, `secret TEXT` and who speaks which protocols.
 *
 * Time stands still at `NOW`; what is drawn by chance elsewhere is a count here.
 */

import { assertEquals } from "@std/assert";
import { assert } from "../../lib/core/assert.ts";
import { concat, utf8 } from "../../lib/core/bytes.ts";
import { Prng } from "../../lib/core/prng.ts";
import { ACCEPTOR_RANDOM_BYTES, ControlAcceptor } from "../../lib/store/control_acceptor.ts";
import { ControlInitiator } from "../../lib/store/control_initiator.ts";
import { DEFAULT_CONTROL_LIMITS } from "../../lib/store/control_limits.ts";
import { ControlSecret } from "../../lib/store/control_secret.ts";
import { NONCE_BYTES } from "../../lib/store/control_wire.ts";
import { counting, HEARTBEAT, HOST, NODE, saying, textOf } from "./control_samples.ts";
import { fromHex } from "./wire_cases.ts";

const NOW = 1000;

/** One of the two machines, told what happens in a dialogue. */
interface Side {
  readonly act: (line: string) => void;
  readonly hear: (bytes: Uint8Array) => void;
  /** What it put on the wire since the last time. */
  readonly takeOutput: () => Uint8Array;
  /** What it told its owner, in short. */
  readonly events: string[];
}

type SideName = "initiator" | "acceptor";
const MARKS = { initiator: ">", acceptor: "<" } as const;

/**
 * Plays `name`'s part of the dialogue word for word; the other's is read from it. Returns what it told its owner.
 */
export function playPart(name: SideName, lines: readonly string[]): string[] {
  const side = newSide(name, lines);
  for (const line of actionsOf(lines)) {
    const [mark, hex] = [line[0], line.slice(2)];
    if (mark === MARKS[name]) assertEquals(toHex(side.takeOutput()), hex);
    else if (mark === ">" || mark === "<") side.hear(fromHex(hex));
    else side.act(line);
  }
  assertEquals(toHex(side.takeOutput()), "", `the ${name} says more`);
  return side.events;
}

/** The same with the other's bytes cut; what is acknowledged together depends on that, so the words are not compared. */
export function playPartCut(
  name: SideName,
  lines: readonly string[],
  cut: (bytes: Uint8Array) => Uint8Array[],
): string[] {
  const side = newSide(name, lines);
  const theirs = name === "initiator" ? MARKS.acceptor : MARKS.initiator;
  for (const line of actionsOf(lines)) {
    if (line[0] === theirs) cut(fromHex(line.slice(2))).forEach(side.hear);
    else if (line[0] !== MARKS[name]) side.act(line);
  }
  return side.events;
}

/** The dialogue of a file's happenings, as the two machines hold it now. */
export function recordDialogue(lines: readonly string[]): string[] {
  const sides = { initiator: newSide("initiator", lines), acceptor: newSide("acceptor", lines) };
  const recorded: string[] = [];
  for (const line of actionsOf(lines)) {
    if (line[0] === ">" || line[0] === "<") continue;
    recorded.push(line);
    sides.initiator.act(line);
    sides.acceptor.act(line);
    for (let isQuiet = false; !isQuiet;) {
      isQuiet = true;
      for (const [from, to] of [["initiator", "acceptor"], ["acceptor", "initiator"]] as const) {
        const bytes = sides[from].takeOutput();
        if (bytes.length === 0) continue;
        recorded.push(`${MARKS[from]} ${toHex(bytes)}`);
        sides[to].hear(bytes);
        isQuiet = false;
      }
    }
  }
  return recorded;
}

/** The lines of a file, without comments. */
export function readDialogue(name: string): string[] {
  const text = Deno.readTextFileSync(new URL(`control_dialogues/${name}.txt`, import.meta.url));
  return text.split("\n").filter((line) => line !== "" && !line.startsWith("#"));
}

const SETTING = /^(secret|initiator speaks|acceptor speaks) (.*)$/;

/** What comes after the settings. */
function actionsOf(lines: readonly string[]): string[] {
  return lines.filter((line) => !SETTING.test(line));
}

function newSide(name: SideName, lines: readonly string[]): Side {
  const settings = new Map(lines.flatMap((line) => {
    const match = line.match(SETTING);
    return match === null ? [] : [[match[1]!, match[2]!]];
  }));
  const secret = settings.has("secret") ? new ControlSecret(utf8(settings.get("secret")!)) : null;
  const range = settings.get(`${name} speaks`)?.split(" ").map(Number);
  const protocols = range === undefined ? {} : { protocols: { min: range[0]!, max: range[1]! } };
  const common = { secret, heartbeat: HEARTBEAT, limits: DEFAULT_CONTROL_LIMITS };
  return name === "initiator" ? initiatorSide(common, protocols) : acceptorSide(common, protocols);
}

type Common = Pick<ConstructorParameters<typeof ControlAcceptor>[0], "secret" | "heartbeat" | "limits">;
type Protocols = Pick<typeof HOST, "protocols">;

function initiatorSide(common: Common, protocols: Protocols): Side {
  const machine = new ControlInitiator({
    ...common,
    ...{ self: { ...NODE, ...protocols }, connectMs: 10_000, prng: new Prng(1) },
    instance: String.fromCharCode(...counting(16)),
  });
  let connection = 0;
  const { events, output, takeOutput } = recorder();
  const step = (event: Parameters<typeof machine.step>[0]) => {
    for (const effect of machine.step(event, NOW)) {
      if (effect.kind === "write") output.push(effect.bytes);
      else if (effect.kind === "connect") connection = effect.connection;
      else if (effect.kind === "message") {
        events.push(`message ${effect.message.type} ${textOf(effect.message)}`);
      } else if (effect.kind === "joined") {
        events.push(`joined ${effect.host.nodeId} by protocol ${effect.host.protocol}`);
      } else if (effect.kind === "ended") events.push(`ended ${endText(effect.end)}`);
      else if (effect.kind !== "close") events.push(effect.kind);
    }
  };
  step({ kind: "start" });
  return {
    events,
    takeOutput,
    hear: (bytes) => step({ kind: "received", connection, bytes }),
    act: (line) => {
      const nonce = new Uint8Array(NONCE_BYTES).fill(connection);
      const message = line.match(/^initiator sends (\d+) (.*)$/);
      if (line === "connect") step({ kind: "connected", connection, nonce });
      else if (line === "cut") step({ kind: "closed", connection });
      else if (line === "initiator ends") step({ kind: "end" });
      else if (message !== null) step({ kind: "send", message: saying(message[2]!, Number(message[1])) });
      else assert(line.startsWith("acceptor "), `What is «${line}»?`);
    },
  };
}

function acceptorSide(common: Common, protocols: Protocols): Side {
  const machine = new ControlAcceptor({ ...common, self: { ...HOST, ...protocols } });
  let connection = 0;
  const { events, output, takeOutput } = recorder();
  const step = (event: Parameters<typeof machine.step>[0]) => {
    for (const effect of machine.step(event, NOW)) {
      if (effect.kind === "write") output.push(effect.bytes);
      else if (effect.kind === "message") {
        events.push(`message ${effect.message.type} ${textOf(effect.message)}`);
      } else if (effect.kind === "joined") {
        events.push(`joined ${effect.peer.nodeId} by protocol ${effect.peer.protocol}`);
      } else if (effect.kind === "ended") events.push(`ended ${endText(effect.end)}`);
      else if (effect.kind !== "close") events.push(effect.kind);
    }
  };
  return {
    events,
    takeOutput,
    hear: (bytes) => step({ kind: "received", connection, bytes }),
    act: (line) => {
      const random = new Uint8Array(ACCEPTOR_RANDOM_BYTES).fill(100 + connection);
      const message = line.match(/^acceptor sends (\d+) (.*)$/);
      const { nodeId } = NODE;
      if (line === "connect") step({ kind: "connected", connection: ++connection, random });
      else if (line === "cut") step({ kind: "closed", connection });
      else if (line === "acceptor ends") step({ kind: "end", nodeId });
      else if (message !== null) {
        step({ kind: "send", nodeId, message: saying(message[2]!, Number(message[1])) });
      } else assert(line.startsWith("initiator "), `What is «${line}»?`);
    },
  };
}

function recorder() {
  const output: Uint8Array[] = [];
  const takeOutput = () => concat(output.splice(0));
  return { events: [] as string[], output, takeOutput };
}

function endText(end: { readonly kind: string; readonly refusal?: { readonly reason: string } }): string {
  return end.refusal === undefined ? end.kind : `${end.kind} ${end.refusal.reason}`;
}

function toHex(bytes: Uint8Array): string {
  return [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}
