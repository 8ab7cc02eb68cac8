// Speaks with a server by the TypeScript client, as its sources stand, and prints what it hears as JSON.
// Usage: node talk.mjs ORIGIN REQUEST, where REQUEST is JSON: { prompts, token, cancelAt, disturbAt, upload }.
import { registerHooks } from "node:module";

registerHooks({
  resolve: (name, context, next) => next(name.startsWith("./") ? name.replace(/\.js$/, ".ts") : name, context),
});
const { Client, filesIn, asInput } = await import("../../web/client/src/index.ts");
const [origin, request] = [process.argv[2], JSON.parse(process.argv[3])];
const client = new Client(origin, { token: request.token, patience: request.patience ?? 60_000 });
const said = { jobs: [] };
try {
  if (request.upload) {
    const picture = new Blob([Buffer.from(request.upload, "base64")]);
    const first = await client.uploadImage(picture, "cat.png", { subfolder: "ts" });
    const again = await client.uploadImage(picture, "cat.png", { subfolder: "ts" });
    const masked = await client.uploadMask(picture, first, "masked.png", { overwrite: true });
    said.uploaded = [first, again, masked, asInput(first)];
    said.nodes = Object.keys(await client.objectInfo(request.node));
  }
  for (const prompt of request.prompts ?? []) {
    const job = await client.submit(prompt, { previews: true });
    const heard = { events: [], files: {} };
    said.jobs.push(heard);
    for await (const event of job.follow()) {
      const { data, ...rest } = event;
      heard.events.push({ ...rest, ...(data ? { bytes: data.length } : {}) });
      if (event.type === "executing" && event.node === request.cancelAt) await job.cancel();
      if (event.type === "executing" && event.node === request.disturbAt) {
        client.disturb();
        for (const path of request.afterwards ?? []) await fetch(origin + path, { method: "POST" });
      }
    }
    const { outputs } = await job.result();
    for (const file of filesIn(outputs)) heard.files[file.filename] = await (await client.fetch(file)).text();
  }
} catch (error) {
  said.error = { name: error.name, message: error.message, problems: error.problems };
} finally {
  client.close();
}
console.log(JSON.stringify(said));
