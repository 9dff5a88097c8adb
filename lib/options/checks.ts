/**
 * What one option means for another: combinations that cannot work, options that give way to others, and options
 * whose work is still to come. Only what torchrun refuses is refused; what it accepts and does not use earns a
 * notice that names both places.
 */

import type { UsageProblem } from "../core/errors.ts";
import { checkedValue, quote } from "./checked.ts";
import { checkEtcdConf } from "./etcd_settings.ts";
import type { OptionName, Origin, ParsedOptions } from "./options.ts";
import { nearestWord } from "./nearest_word.ts";
import { checkRendezvousConf, parseRendezvousConf } from "./rendezvous_conf.ts";
import { BACKENDS, chooseRendezvous, type RendezvousChoice } from "./rendezvous_choice.ts";
import { parseEndpoint, parseNodes, parseSignalNames } from "./values.ts";

/** Each check adds to the lists. */
interface Findings {
  readonly problems: UsageProblem[];
  readonly notices: string[];
}

/** Checks options whose values are right by themselves. */
export function checkCombinations(parsed: ParsedOptions): Findings {
  const findings: Findings = { problems: [], notices: [] };
  const rendezvous = chooseRendezvous(parsed.values);
  checkProgram(parsed, findings);
  checkRendezvous(parsed, rendezvous, findings);
  checkMessages(parsed, findings);
  noticeUnusedPlaces(parsed, rendezvous, findings);
  noticeWhatIsNotInForce(parsed, findings);
  return findings;
}

/** The name by which the user gave an option; undefined where it has its default. */
export function givenName(parsed: ParsedOptions, name: OptionName): string | undefined {
  const origin: Origin | undefined = parsed.origins.get(name);
  return origin === undefined || origin.kind === "default" ? undefined : origin.name;
}

function checkProgram(parsed: ParsedOptions, { problems, notices }: Findings): void {
  const { module, noPython, runPath, useEnv } = parsed.values;
  const names = { module: givenName(parsed, "module"), noPython: givenName(parsed, "noPython") };
  if (noPython && !useEnv) {
    problems.push({
      message: `${names.noPython} needs --use-env here: a program that is not Python gets no --local-rank=N`,
    });
  }
  if (runPath) {
    const overruled = [noPython ? names.noPython : undefined, module ? names.module : undefined];
    noticeOverruled(givenName(parsed, "runPath"), overruled, notices);
  } else if (module && noPython) {
    problems.push({
      message: `${names.module} and ${names.noPython} cannot go together: a module needs Python to run it`,
    });
  }
}

function checkRendezvous(
  parsed: ParsedOptions,
  choice: RendezvousChoice,
  { problems, notices }: Findings,
): void {
  const { values } = parsed;
  const { backend, endpoint } = choice;
  if (!BACKENDS.includes(backend)) {
    const source = givenName(parsed, "rdzvBackend"), words = BACKENDS.join(", ");
    const nearest = nearestWord(backend, BACKENDS);
    problems.push({
      message: `${source} must be one of ${words}, since back ends from Python packages can't be loaded: ` +
        `got ${quote(backend)}`,
      ...(nearest === null ? {} : { hint: `Did you mean ${nearest}?` }),
    });
    return;
  }
  const conf = checkedValue(parseRendezvousConf(values.rdzvConf));
  const found = checkRendezvousConf(conf, backend);
  problems.push(...found.problems);
  notices.push(...found.notices);
  if (backend.startsWith("etcd")) {
    const etcd = checkEtcdConf(conf, backend);
    problems.push(...etcd.problems);
    notices.push(...etcd.notices);
  }

  // With a shared file the endpoint is a path.
  if (backend === "c10d" && conf.get("store_type")?.toLowerCase() === "file") {
    if (endpoint !== "" || checkedValue(parseNodes(values.nnodes)).max === 1) return;
    const why = "store_type=file needs the path of a file that all nodes share";
    problems.push({ message: `${why}: ${givenName(parsed, "rdzvEndpoint") ?? "--rdzv-endpoint"} has none` });
    return;
  }
  const source = givenName(parsed, "rdzvEndpoint") ?? givenName(parsed, "masterAddr") ?? "--master-addr";
  const { masterPort } = values;
  if (
    values.rdzvEndpoint === "" && backend === "static" && masterPort !== null &&
    (masterPort < 0 || masterPort > 65535)
  ) {
    problems.push({
      message: `${givenName(parsed, "masterPort")} must be from 0 to 65535: got ${masterPort}`,
    });
    return;
  }
  // Candidates for the meeting point, or a cluster's members: only where there can be more than one.
  const endpoints = backend === "static" ? [endpoint] : endpoint.split(",");
  const parsedEndpoints = endpoints.map((one) => parseEndpoint(one, source));
  const checked = parsedEndpoints.find(({ kind }) => kind === "problem") ?? parsedEndpoints[0]!;
  if (checked.kind === "problem") {
    problems.push(checked.problem);
  } else if (backend === "static" && checked.value.port === null) {
    const wanted = "a port for static rendezvous, such as HOST:29500";
    problems.push({ message: `${source} needs ${wanted}: got ${quote(endpoint)}` });
  }
}

/** One notice for each option that takes others' place, naming all places. */
function noticeUnusedPlaces(parsed: ParsedOptions, choice: RendezvousChoice, { notices }: Findings): void {
  const given = (name: OptionName) => givenName(parsed, name);
  const master = [given("masterAddr"), given("masterPort")];
  switch (choice.because) {
    case "standalone": {
      const overruled = [given("rdzvBackend"), given("rdzvEndpoint"), given("rdzvId"), ...master];
      noticeOverruled(given("standalone"), overruled, notices);
      break;
    }
    case "alone":
      noticeOverruled("One machine and no --master-port", [given("masterAddr")], notices);
      break;
    case "given":
      if (choice.backend !== "static") noticeOverruled(given("rdzvBackend"), master, notices);
      else if (parsed.values.rdzvEndpoint !== "") noticeOverruled(given("rdzvEndpoint"), master, notices);
  }
  noticeUnusedRank(parsed, choice, notices);
}

/** Among several of our own agents `--node-rank` decides the order (c10d, etcd-v3), with static rendezvous the rank. */
function noticeUnusedRank(parsed: ParsedOptions, choice: RendezvousChoice, notices: string[]): void {
  const { nodeRank, nnodes, rdzvConf } = parsed.values;
  if (choice.backend === "static" || nodeRank === 0) return;
  const nodes = parseNodes(nnodes), conf = parseRendezvousConf(rdzvConf);
  const isFile = conf.kind === "value" && conf.value.get("store_type")?.toLowerCase() === "file";
  const isAlone = nodes.kind === "value" && nodes.value.max === 1;
  if (!isAlone && !isFile && choice.backend !== "etcd" && choice.backend !== "etcd-v2") return;
  const why = isAlone ? "there is one node" : "in torchrun's own rendezvous it decides nothing";
  notices.push(`${givenName(parsed, "nodeRank")} is not used: ${why}`);
}

function checkMessages(parsed: ParsedOptions, { problems }: Findings): void {
  if (!parsed.values.verbose || !parsed.values.quiet) return;
  problems.push({
    message: "--verbose and --quiet cannot go together: one asks for more, the other for less",
  });
}

function noticeWhatIsNotInForce(parsed: ParsedOptions, { notices }: Findings): void {
  const { values } = parsed;
  const given = (name: OptionName) => givenName(parsed, name);
  if (values.startMethod !== "spawn") {
    notices.push(`${given("startMethod")} has no effect: workers are always programs started anew`);
  }
  const { unknown } = checkedValue(parseSignalNames(values.signalsToHandle));
  if (unknown.length > 0) {
    notices.push(
      `${given("signalsToHandle")}: there is no signal ${unknown.map(quote).join(", ")} here; ignored`,
    );
  }
}

function noticeOverruled(
  by: string | undefined,
  overruled: readonly (string | undefined)[],
  notices: string[],
): void {
  const names = overruled.filter((name) => name !== undefined);
  if (by === undefined || names.length === 0) return;
  notices.push(`${by} takes precedence: ${names.join(", ")} ${names.length === 1 ? "does" : "do"} not count`);
}
