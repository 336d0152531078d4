// Records in urls.json how Node's URL reads each address there: `node tests/net/record_urls.mjs`.
// With `-`, it reads the table from stdin and writes the result to stdout.
import { readFileSync, writeFileSync } from "node:fs";

const TABLE = new URL("urls.json", import.meta.url);
const SCHEMES = { "http:": "ws:", "https:": "wss:", "ws:": "ws:", "wss:": "wss:" };

function read({ input, base }) {
  let url;
  try {
    url = new URL(input, base);
  } catch {
    return { error: "Invalid URL" };
  }
  if (!(url.protocol in SCHEMES)) return { error: "The URL's protocol must be one of" };
  // ws does the same.
  url.protocol = SCHEMES[url.protocol];
  if (url.hash) return { error: "The URL contains a fragment identifier" };
  const { href, host, hostname, port, username, password } = url;
  return { href, host, hostname, port, target: url.pathname + url.search, username, password };
}

// Each address has a line, in ASCII, so that differences are readable.
const ascii = (text) => text.replace(/[^ -~]/g, (unit) => "\\u" + unit.charCodeAt(0).toString(16).padStart(4, "0"));
const line = ({ input, base }) => ascii(JSON.stringify({ input, base, ...read({ input, base }) }));
const piped = process.argv[2] === "-";
const table = JSON.parse(readFileSync(piped ? 0 : TABLE, "utf8"));
const recorded = `[\n${table.map(line).join(",\n")}\n]\n`;
if (piped) process.stdout.write(recorded);
else writeFileSync(TABLE, recorded);
