// A browser at the other end: it takes the calls of node/peer.mjs, as far as a page can make them.
globalThis.peer = (() => {
  const connections = [];

  const toBase64 = (buffer) => {
    const bytes = new Uint8Array(buffer);
    const pieces = [];
    for (let place = 0; place < bytes.length; place += 32768) {
      pieces.push(String.fromCharCode(...bytes.subarray(place, place + 32768)));
    }
    return btoa(pieces.join(""));
  };
  const decode = (data) =>
    data.text === undefined ? Uint8Array.from(atob(data.binary), (each) => each.charCodeAt(0)) : data.text;
  const encode = async (data) => {
    if (typeof data === "string") return { text: data };
    return { binary: toBase64(data instanceof Blob ? await data.arrayBuffer() : data) };
  };

  const connect = ({ url, protocols, binaryType }) => {
    const ws = new WebSocket(url, protocols);
    ws.binaryType = binaryType ?? "arraybuffer";
    const held = { ws, messages: [], takers: [] };
    const number = connections.push(held) - 1;
    ws.onmessage = ({ data }) => {
      const taker = held.takers.shift();
      if (taker) taker(data);
      else held.messages.push(data);
    };
    held.closed = new Promise((resolve) => {
      ws.onclose = ({ code, reason, wasClean }) => resolve([code, reason, wasClean]);
    });
    return new Promise((resolve, reject) => {
      ws.onopen = () => resolve({ number, protocol: ws.protocol, extensions: ws.extensions });
      ws.onerror = () => reject(new Error(`no connection to ${url}`));
    });
  };

  return {
    connections,
    connect,
    send: ({ number, data }) => void connections[number].ws.send(decode(data)),
    sendBlob: ({ number, data }) => void connections[number].ws.send(new Blob([decode(data)])),
    recv: async ({ number }) => {
      const { messages, takers } = connections[number];
      return encode(messages.length ? messages.shift() : await new Promise((resolve) => takers.push(resolve)));
    },
    close: ({ number, code, reason }) => void connections[number].ws.close(code, reason),
    closed: ({ number }) => connections[number].closed,
  };
})();
