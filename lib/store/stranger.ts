/** What a peer that does not speak the store's protocol seems to be, from its first bytes: for one log line. */

import { byteString } from "../core/bytes.ts";

const HTTP_METHODS = /^(GET|HEAD|POST|PUT|DELETE|OPTIONS|CONNECT|TRACE|PATCH|PRI) /;

/** A clause without subject: "speaks HTTP, which this port does not". */
export function strangerName(firstBytes: Uint8Array): string {
  const text = byteString(firstBytes, 0, Math.min(firstBytes.length, 16));
  if (HTTP_METHODS.test(text)) return "speaks HTTP, which this port does not";
  if (text.startsWith("\x16\x03")) return "speaks TLS, which this port does not";
  if (text.startsWith("SSH-")) return "speaks SSH, which this port does not";
  if (text.startsWith("\xc7mstr")) return "speaks muster's control protocol, which this store does not serve";
  const shown = [...firstBytes.subarray(0, 8)].map((byte) => byte.toString(16).padStart(2, "0")).join(" ");
  return `speaks no protocol known here (first bytes ${shown})`;
}
