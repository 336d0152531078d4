// Node's ws, with bufferutil, its native helper. (utf-8-validate is not needed: Node has isUtf8.)
// maxPayload keeps its default of 100 MiB, which the largest row does not reach. With --deflate every
// message is compressed, small ones too: the other servers have no threshold. With --broadcast every message
// goes to all, by the loop of ws's README.

import 'bufferutil'; // ws would go on without it, more slowly
import WebSocket, { WebSocketServer } from 'ws';

const perMessageDeflate = process.argv.includes('--deflate') && { threshold: 0 };
const broadcast = process.argv.includes('--broadcast');
const wss = new WebSocketServer({ port: 0, host: '127.0.0.1', backlog: 4096, perMessageDeflate });

wss.on('connection', (ws) => {
  ws.on('error', () => {});
  ws.on('message', (data, isBinary) => {
    if (!broadcast) {
      ws.send(data, { binary: isBinary });
      return;
    }
    for (const client of wss.clients) {
      if (client.readyState === WebSocket.OPEN) client.send(data, { binary: isBinary });
    }
  });
});

wss.on('listening', () => {
  console.log('listening', wss.address().port);
});
