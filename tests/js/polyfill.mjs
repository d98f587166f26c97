// Helia is written for Node 22; this gives Node 20 the two things it lacks. Loaded by `node --import`.
import WebSocket from "ws";

Promise.withResolvers ??= function withResolvers() {
  let resolve, reject;
  const promise = new Promise((...functions) => ([resolve, reject] = functions));
  return { promise, resolve, reject };
};
globalThis.WebSocket ??= WebSocket;
