import { describe, expect, test } from "vitest";
import { asInput, Client, ClientError, filesIn, JobFailed, Refused, Unreachable } from "../../client/src/index";
import { endOf, eventOf, previewOf } from "../../client/src/messages";

describe("events", () => {
  test.each([
    ["execution_start", { prompt_id: "j" }, { type: "started", job: "j" }],
    ["execution_cached", { prompt_id: "j", nodes: ["1", 2] }, { type: "cached", job: "j", nodes: ["1", "2"] }],
    ["executing", { prompt_id: "j", node: "3" }, { type: "executing", job: "j", node: "3", displayNode: "3" }],
    ["executing", { prompt_id: "j", node: null }, undefined],
    [
      "progress",
      { prompt_id: "j", node: "3", value: 2, max: 9 },
      { type: "progress", job: "j", node: "3", value: 2, max: 9 },
    ],
    ["executed", { prompt_id: "j", node: "3", output: null }, { type: "executed", job: "j", node: "3", output: {} }],
    ["execution_interrupted", { prompt_id: "j" }, { type: "cancelled", job: "j" }],
    ["status", { status: {} }, undefined],
  ])("%s %o", (type, data, expected) => {
    expect(eventOf(type, data)).toEqual(expected);
  });

  test("a failure names its node in a sentence", () => {
    const data = { prompt_id: "j", node_id: "3", node_type: "KSampler", exception_message: "no room\n" };
    const event = eventOf("execution_error", data);
    if (event?.type !== "failed") throw new Error("no failure");
    expect(new JobFailed(event).message).toBe("KSampler (node 3): no room");
    const entry = { status: { status_str: "error", messages: [["execution_error", data]] } };
    expect(endOf("j", entry)).toEqual(event);
  });

  test("the history says how a job ended", () => {
    const cancelled = { status: { status_str: "error", messages: [["execution_interrupted", {}]] } };
    expect(endOf("j", cancelled)).toEqual({ type: "cancelled", job: "j" });
    const outputs = { "7": { images: [{ filename: "a.png", subfolder: "s", type: "output" }], text: ["b"] } };
    const end = endOf("j", { outputs, status: { status_str: "success" } });
    expect(end).toEqual({ type: "done", job: "j", outputs });
    expect(filesIn({ ...outputs, "8": outputs["7"] })).toEqual([{ filename: "a.png", subfolder: "s", type: "output" }]);
    expect(asInput({ filename: "a.png", subfolder: "s", type: "output" })).toBe("s/a.png [output]");
  });
});

describe("previews", () => {
  const frame = (...words: number[]) => {
    const bytes = new Uint8Array(words.length * 4);
    words.forEach((word, place) => {
      new DataView(bytes.buffer).setUint32(place * 4, word);
    });
    return bytes;
  };

  test("with what they are of", () => {
    const about = new TextEncoder().encode('{"node_id":"3","prompt_id":"j","image_type":"image/png"}');
    const bytes = new Uint8Array([...frame(4, about.length), ...about, 1, 2, 3]);
    const event = previewOf(bytes.buffer, undefined);
    expect(event).toMatchObject({ type: "preview", job: "j", node: "3", mime: "image/png" });
    expect(event?.type === "preview" && [...event.data]).toEqual([1, 2, 3]);
  });

  test("without, they are of what runs", () => {
    const bytes = new Uint8Array([...frame(1, 1), 9]);
    expect(previewOf(bytes.buffer, "j")).toMatchObject({ job: "j", node: undefined, mime: "image/jpeg" });
    expect(previewOf(bytes.buffer, undefined)).toBeUndefined();
  });

  test.each([[[]], [[4]], [[4, 999]], [[77, 0]]])("what is none gives nothing: %o", (words) => {
    expect(previewOf(frame(...words).buffer, "j")).toBeUndefined();
  });
});

describe("errors", () => {
  test("a refusal lists what is wrong with each node", () => {
    const errors = [{ type: "value_not_in_list", message: "Value not in list", details: "ckpt_name: 'x'" }];
    const refused = new Refused(
      { type: "prompt_outputs_failed_validation", message: "Prompt outputs failed validation", details: "" },
      { "4": { class_type: "Loader", errors: [{ ...errors[0], extra_info: { input_name: "ckpt_name" } }] } },
    );
    expect(refused.problems.map((each) => [each.node, each.input])).toEqual([["4", "ckpt_name"]]);
    expect(refused.message).toBe(
      "The server refused the workflow: Prompt outputs failed validation. Loader (node 4): Value not in list (ckpt_name: 'x').",
    );
  });

  test("a refusal speaks as the server does where it has a sentence", () => {
    const error = { type: "value_not_in_list", message: "Value not in list", sentence: "Loader (node 4) lacks 'x'." };
    const refused = new Refused(undefined, { "4": { class_type: "Loader", errors: [error] } });
    expect(refused.message).toBe("The server refused the workflow: Loader (node 4) lacks 'x'.");
  });

  test("a platform without WebSocket is told what to pass", async () => {
    const none = { WebSocket: undefined } as unknown as { WebSocket: typeof WebSocket };
    const kept = globalThis.WebSocket;
    Reflect.set(globalThis, "WebSocket", undefined);
    try {
      await expect(new Client("http://127.0.0.1:9", none).submit({})).rejects.toThrow("has no WebSocket");
    } finally {
      Reflect.set(globalThis, "WebSocket", kept);
    }
  });

  test("the token goes along, and what the server says comes back", async () => {
    const asked: [string, string | null][] = [];
    const answers = [new Response('{"a":{}}'), new Response("", { status: 401 }), new Response("x", { status: 500 })];
    const fetch: typeof globalThis.fetch = async (url, how) => {
      asked.push([String(url), new Headers(how?.headers).get("Authorization")]);
      const answer = answers.shift();
      if (!answer) throw new TypeError("refused");
      return answer;
    };
    const client = new Client("http://here:1/?token=t", { fetch });
    expect(await client.objectInfo("a b")).toEqual({ a: {} });
    expect(asked).toEqual([["http://here:1/object_info/a%20b", "Bearer t"]]);
    await expect(client.systemStats()).rejects.toThrow(ClientError);
    await expect(client.systemStats()).rejects.toThrow("/system_stats was not answered (status 500): x");
    await expect(client.systemStats()).rejects.toThrow(Unreachable);
  });
});
