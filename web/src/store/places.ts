import * as rest from "../api/rest";
import { useExec } from "./exec";

/** Of many changes in a row, the server is asked once: the queue is told with all that waits in it. */
const SETTLES_MS = 100;
let reading = false;
let readAgain = false;

/** Asks the server in which order it will run what waits, while something of ours does. */
export async function readPlaces(): Promise<void> {
  readAgain = true;
  if (reading) return;
  reading = true;
  try {
    while (readAgain) {
      await new Promise((done) => setTimeout(done, SETTLES_MS));
      readAgain = false;
      const waits = Object.values(useExec.getState().jobs).some((job) => job.state === "queued");
      const pending = waits ? (await rest.getQueue()).pending.map((item) => item.id) : [];
      if (pending.join() !== useExec.getState().pending.join()) useExec.setState({ pending });
    }
  } catch {
    // Of a server that is away the banner tells; when it is back it says how the queue stands.
  } finally {
    reading = false;
  }
}
