// Helia on a transport, unmodified.
import { withBitswap } from "@helia/bitswap";
import { withLibp2pLight } from "@helia/libp2p";
import { identify } from "@libp2p/identify";
import { noise } from "@libp2p/noise";
import { tcp } from "@libp2p/tcp";
import { webSockets } from "@libp2p/websockets";
import { yamux } from "@libp2p/yamux";
import { MemoryBlockstore } from "blockstore-core";
import { MemoryDatastore } from "datastore-core";
import { createHeliaLight } from "helia";

const TRANSPORTS = {
  tcp: { make: tcp, listen: "/ip4/127.0.0.1/tcp/0" },
  ws: { make: webSockets, listen: "/ip4/127.0.0.1/tcp/0/ws" },
};

// A Helia that is stopped after `use`.
export async function withHelia(name, use) {
  const { make, listen } = TRANSPORTS[name];
  const light = createHeliaLight({ blockstore: new MemoryBlockstore(), datastore: new MemoryDatastore() });
  const options = {
    addresses: { listen: [listen] },
    transports: [make()],
    connectionEncrypters: [noise()],
    streamMuxers: [yamux()],
    services: { identify: identify() },
    // It ends connections whose ping is late, and on a busy machine all are.
    connectionMonitor: { enabled: false },
  };
  const helia = await withBitswap(withLibp2pLight(light, options)).start();
  try {
    return await use(helia);
  } finally {
    await helia.stop();
  }
}

export const heliaAddress = (helia) => helia.libp2p.getMultiaddrs()[0].toString();
