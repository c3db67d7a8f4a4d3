// Socket.IO with its defaults: one emit to all clients.
import { createServer } from "node:http";
import { Server } from "socket.io";
import { control } from "./control.mjs";

const server = createServer();
const io = new Server(server);

control(server, (data) => io.emit("message", data));
