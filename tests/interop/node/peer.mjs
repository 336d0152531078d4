// npm's ws at the other end. The tests talk to this program over TCP: each call is a line of JSON, and so is each
// answer. Usage: node peer.mjs FOLDER, where FOLDER has ws in its node_modules. It prints its port. Everything that
// a control connection has opened ends with it.
import { createRequire } from "node:module";
import { readFileSync } from "node:fs";
import { createServer as createTcpServer } from "node:net";
import { createServer as createHttpsServer } from "node:https";
import { createInterface } from "node:readline";

const { WebSocket, WebSocketServer } = createRequire(`${process.argv[2]}/`)("ws");

// Items that arrive before they are asked for, and callers that ask before items arrive.
class Mailbox {
  #items = [];
  #takers = [];
  put(item) {
    const taker = this.#takers.shift();
    if (taker) taker(item);
    else this.#items.push(item);
  }
  take() {
    if (this.#items.length) return Promise.resolve(this.#items.shift());
    return new Promise((resolve) => this.#takers.push(resolve));
  }
}

const decode = (data) => (data.text === undefined ? Buffer.from(data.binary, "base64") : data.text);

class Control {
  connections = [];
  servers = [];
  arrivals = new Mailbox();

  hold(ws) {
    const held = { ws, messages: new Mailbox(), pongs: new Mailbox() };
    ws.on("message", (data, isBinary) =>
      held.messages.put(isBinary ? { binary: data.toString("base64") } : { text: data.toString() }),
    );
    ws.on("pong", (data) => held.pongs.put({ binary: data.toString("base64") }));
    ws.on("error", (error) => (held.error = String(error)));
    held.closed = new Promise((resolve) => ws.on("close", (code, reason) => resolve([code, reason.toString()])));
    this.connections.push(held);
    return this.connections.length - 1;
  }

  describe(number) {
    const { ws } = this.connections[number];
    return { number, protocol: ws.protocol, extensions: ws.extensions };
  }

  connect({ url, protocols, deflate, ca }) {
    const options = { perMessageDeflate: deflate ?? false };
    if (ca) options.ca = readFileSync(ca);
    const number = this.hold(new WebSocket(url, protocols, options));
    const { ws } = this.connections[number];
    return new Promise((resolve, reject) => {
      ws.on("open", () => resolve(this.describe(number)));
      ws.on("error", reject);
    });
  }

  serve({ protocols, deflate, pem }) {
    const options = { perMessageDeflate: deflate ?? false };
    if (protocols.length) {
      options.handleProtocols = (offered) => protocols.find((each) => offered.has(each)) ?? false;
    }
    let http;
    if (pem) {
      const both = readFileSync(pem);
      http = createHttpsServer({ key: both, cert: both });
      options.server = http;
    } else {
      Object.assign(options, { port: 0, host: "127.0.0.1" });
    }
    const server = new WebSocketServer(options);
    server.on("connection", (ws) => this.arrivals.put(this.hold(ws)));
    this.servers.push(http ?? server);
    return new Promise((resolve) => {
      server.on("listening", () => resolve(server.address().port));
      if (http) http.listen(0, "127.0.0.1");
    });
  }

  async accept() {
    return this.describe(await this.arrivals.take());
  }

  send({ number, data }) {
    return new Promise((resolve, reject) =>
      this.connections[number].ws.send(decode(data), (error) => (error ? reject(error) : resolve())),
    );
  }

  fragments({ number, parts }) {
    const { ws } = this.connections[number];
    const binary = parts[0].text === undefined;
    parts.forEach((part, index) => ws.send(decode(part), { binary, fin: index === parts.length - 1 }));
  }

  recv({ number }) {
    return this.connections[number].messages.take();
  }

  ping({ number, data }) {
    const { ws, pongs } = this.connections[number];
    ws.ping(decode(data));
    return pongs.take();
  }

  close({ number, code, reason }) {
    this.connections[number].ws.close(code, reason);
  }

  closed({ number }) {
    return this.connections[number].closed;
  }

  end() {
    for (const { ws } of this.connections) ws.terminate();
    for (const server of this.servers) server.close();
  }
}

const CALLS = ["connect", "serve", "accept", "send", "fragments", "recv", "ping", "close", "closed"];

const server = createTcpServer((socket) => {
  const control = new Control();
  const answer = (id, fields) => socket.writable && socket.write(`${JSON.stringify({ id, ...fields })}\n`);
  createInterface({ input: socket }).on("line", async (line) => {
    const { id, call, ...args } = JSON.parse(line);
    try {
      if (!CALLS.includes(call)) throw new Error(`no such call: ${call}`);
      answer(id, { value: (await control[call](args)) ?? null });
    } catch (error) {
      answer(id, { error: String(error) });
    }
  });
  socket.on("close", () => control.end());
  socket.on("error", () => control.end());
});
server.listen(0, "127.0.0.1", () => console.log(`port ${server.address().port}`));
