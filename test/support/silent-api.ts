import { once } from "node:events";
import { type AddressInfo, createServer, type Socket } from "node:net";

/** An API server that accepts connections and answers nothing. */
export interface SilentApi extends AsyncDisposable {
  kubeconfig: string;
  /** The first connection on which something was asked. */
  asked(): Promise<Socket>;
}

export async function startSilentApi(): Promise<SilentApi> {
  const sockets: Socket[] = [];
  const first = Promise.withResolvers<Socket>();
  const server = createServer((socket) => {
    sockets.push(socket);
    socket.on("error", () => {});
    socket.once("data", () => first.resolve(socket));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    kubeconfig: JSON.stringify({
      clusters: [{ name: "silent", cluster: { server: url, "insecure-skip-tls-verify": true } }],
      users: [{ name: "admin", user: {} }],
      contexts: [{ name: "silent", context: { cluster: "silent", user: "admin" } }],
      "current-context": "silent",
    }),
    asked: () => first.promise,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, "close");
    },
  };
}
