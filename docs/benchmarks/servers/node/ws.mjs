// ws, with the broadcast of its README.
import { createServer } from "node:http";
import WebSocket, { WebSocketServer } from "ws";
import { control } from "./control.mjs";

const server = createServer();
const wss = new WebSocketServer({ server });
wss.on("connection", (client) => client.on("error", console.error));

control(server, (data) => {
  wss.clients.forEach((client) => {
    if (client.readyState === WebSocket.OPEN) client.send(data);
  });
});
