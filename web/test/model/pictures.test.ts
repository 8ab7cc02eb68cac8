import { deflateSync } from "node:zlib";
import { describe, expect, it } from "vitest";
import { openApiFile } from "../../src/model/apiFile";
import { openBytes, openPicture, openText } from "../../src/model/open";
import { readMetadata } from "../../src/model/picture";
import { toPrompt } from "../../src/model/prompt";
import { saveEditorFile } from "../../src/model/saveFile";
import { catalogue, newId, opening, options, textToImage } from "../support";

/** Texts of other programs are for the server to read; here they are always the same one. */
const convert = async (text: string) => ({ nodes: [{ id: 1, type: "Note", widgets_values: [text] }], links: [] });
const using = { ...opening, convert };

const ascii = (text: string) => [...new TextEncoder().encode(text)];
const big = (n: number) => [n >>> 24, (n >>> 16) & 255, (n >>> 8) & 255, n & 255];
const chunk = (kind: string, data: readonly number[]) => [...big(data.length), ...ascii(kind), ...data, 0, 0, 0, 0];
const png = (...chunks: readonly number[][]) =>
  new Uint8Array([
    0x89,
    0x50,
    0x4e,
    0x47,
    13,
    10,
    26,
    10,
    ...chunk("IHDR", Array(13).fill(0)),
    ...chunks.flat(),
    ...chunk("IEND", []),
  ]);

/** A TIFF block with strings in the given tags. */
function tiff(
  entries: readonly (readonly [tag: number, type: number, data: readonly number[]])[],
  little = true,
): number[] {
  const order = (bytes: number[]) => (little ? bytes.reverse() : bytes);
  const u16 = (n: number) => order([(n >> 8) & 255, n & 255]);
  const u32 = (n: number) => order(big(n));
  const start = 8 + 2 + 12 * entries.length + 4;
  const blobs: number[] = [];
  const rows = entries.flatMap(([tag, type, data]) => {
    const row = [...u16(tag), ...u16(type), ...u32(data.length), ...u32(start + blobs.length)];
    blobs.push(...data);
    return row;
  });
  return [...ascii(little ? "II" : "MM"), ...u16(42), ...u32(8), ...u16(entries.length), ...rows, ...u32(0), ...blobs];
}

const webp = (exif: readonly number[]) => {
  const size = [exif.length & 255, (exif.length >> 8) & 255, (exif.length >> 16) & 255, 0];
  return new Uint8Array([
    ...ascii("RIFF"),
    0,
    0,
    0,
    0,
    ...ascii("WEBP"),
    ...ascii("VP8 "),
    2,
    0,
    0,
    0,
    1,
    2,
    ...ascii("EXIF"),
    ...size,
    ...exif,
  ]);
};
const jpeg = (exif: readonly number[]) => {
  const body = [...ascii("Exif"), 0, 0, ...exif];
  return new Uint8Array([
    0xff,
    0xd8,
    0xff,
    0xe0,
    0,
    4,
    1,
    2,
    0xff,
    0xe1,
    (body.length + 2) >> 8,
    (body.length + 2) & 255,
    ...body,
    0xff,
    0xda,
    0,
    2,
  ]);
};

describe("what a picture says of itself", () => {
  it("is in the text chunks of a PNG, plain and compressed", async () => {
    const deflated = [...deflateSync(Buffer.from("höher"))];
    const found = await readMetadata(
      png(
        chunk("tEXt", [...ascii("prompt"), 0, ...ascii('{"a":"ü"}')]),
        chunk("iTXt", [...ascii("workflow"), 0, 0, 0, ...ascii("en"), 0, 0, ...ascii("{}")]),
        chunk("iTXt", [...ascii("deep"), 0, 1, 0, 0, 0, ...deflated]),
        chunk("zTXt", [...ascii("old"), 0, 0, ...deflated]),
        chunk("tEXt", [...ascii("latin"), 0, 0xe9]),
      ),
    );
    expect(Object.fromEntries(found)).toEqual({
      prompt: '{"a":"ü"}',
      workflow: "{}",
      deep: "höher",
      old: "höher",
      latin: "é",
    });
  });

  it.each([true, false])("is in the EXIF of WebP and JPEG (little-endian: %s)", async (little) => {
    const exif = tiff(
      [
        [0x010f, 2, [...ascii('workflow:{"x":1}'), 0]],
        [0x0110, 2, [...ascii('prompt: {"y":2}'), 0]],
      ],
      little,
    );
    for (const bytes of [webp(exif), webp([...ascii("Exif"), 0, 0, ...exif]), jpeg(exif)])
      expect(Object.fromEntries(await readMetadata(bytes))).toEqual({ workflow: '{"x":1}', prompt: '{"y":2}' });
  });

  it("is A1111's text in the user comment, in either byte order", async () => {
    for (const little of [true, false]) {
      const text = [...Buffer.from("a cat, Steps: 3", "utf16le")];
      const swapped = text.map((_, i) => text[i ^ 1] as number);
      for (const body of [text, swapped]) {
        const found = await readMetadata(jpeg(tiff([[0x9286, 7, [...ascii("UNICODE"), 0, ...body]]], little)));
        expect(found.get("parameters")).toBe("a cat, Steps: 3");
      }
    }
  });

  it("is nothing in broken or other files", async () => {
    for (const bytes of [
      [],
      [0x89, 0x50, 0x4e, 0x47],
      [0xff, 0xd8, 0xff],
      ascii("RIFF....WEBPEXIF"),
      ascii("GIF89a"),
      [...png(chunk("tEXt", ascii("x")))].slice(0, 50),
    ])
      expect([...(await readMetadata(new Uint8Array(bytes)))]).toEqual([]);
  });

  it("opens as a workflow, the editor's format before the API's", async () => {
    const { doc } = textToImage();
    const workflow = JSON.stringify(saveEditorFile(doc, catalogue));
    const prompt = JSON.stringify(toPrompt(doc, options));
    const text = (key: string, value: string) => chunk("tEXt", [...ascii(key), 0, ...ascii(value)]);
    expect((await openPicture(png(text("prompt", prompt), text("workflow", workflow)), using)).doc?.id).toBe("doc");
    expect((await openPicture(png(text("prompt", prompt)), using)).doc?.root.nodes.size).toBe(7);
    expect(
      (await openPicture(png(text("workflow", "no JSON"), text("prompt", prompt)), using)).doc?.root.nodes.size,
    ).toBe(7);
    expect(await openPicture(png(), using)).toEqual({});
  });
});

describe("what is dropped", () => {
  const { doc } = textToImage();
  const file = JSON.stringify(saveEditorFile(doc, catalogue));
  const bytes = (text: string) => new TextEncoder().encode(text);
  const text = (key: string, value: string) => chunk("tEXt", [...ascii(key), 0, ...ascii(value)]);

  it.each([
    ["the editor's format", bytes(file), { picture: false, nodes: 7 }],
    ["the same after a mark of byte order", bytes(`\ufeff${file}`), { picture: false, nodes: 7 }],
    ["the API's format", bytes(JSON.stringify(toPrompt(doc, options))), { picture: false, nodes: 7 }],
    ["A1111's text", bytes("a cat\nSteps: 4, Sampler: Euler, Seed: 1, Size: 64x64"), { picture: false, nodes: 1 }],
    ["a PNG of A1111's", png(text("parameters", "a cat\nSteps: 4, Seed: 1")), { picture: true, nodes: 1 }],
    ["a PNG with a workflow", png(text("workflow", file)), { picture: true, nodes: 7 }],
    [
      "a WebP with a workflow",
      webp(tiff([[0x010f, 2, [...ascii(`workflow:${file}`), 0]]])),
      { picture: true, nodes: 7 },
    ],
    [
      "a JPEG with a prompt",
      jpeg(tiff([[0x0110, 2, [...ascii('prompt:{"1":{"class_type":"VAEDecode"}}'), 0]]])),
      { picture: true, nodes: 1 },
    ],
    ["a plain picture", png(), { picture: true }],
    ["a picture with somebody's own notes", png(text("parameters", "seen in May")), { picture: true }],
  ])("%s", async (_, given, wanted) => {
    const { picture, doc, fault } = await openBytes(given, using);
    expect({ picture, nodes: doc?.root.nodes.size, fault }).toEqual({ nodes: undefined, fault: undefined, ...wanted });
  });

  it("is a picture where the workflow in it is broken, and says why", async () => {
    const cut = await openBytes(png(text("workflow", file.slice(0, 200))), using);
    expect(cut).toEqual({ picture: true, fault: expect.stringContaining("cut off") });
    const broken = png(chunk("zTXt", [...ascii("workflow"), 0, 0, 1, 2, 3]));
    expect(await openBytes(broken, using)).toEqual({ picture: true });
  });

  it.each([
    ["nothing", bytes(""), /empty/],
    ["half a file", bytes(file.slice(0, 300)), /cut off/],
    ["other JSON", bytes('{"a": 1}'), /no workflow/],
    ["words", bytes("hello"), /not JSON/],
    ["a model", new Uint8Array([8, 0, 0, 0, 0, 0, 0, 0, 123]), /neither a workflow nor a picture/],
    ["a subgraph that contains itself", bytes(JSON.stringify(endless)), /contains itself/],
    ["subgraphs that multiply", bytes(JSON.stringify(multiplying)), /more than 200000 nodes/],
    ["a giant", new Uint8Array(129 * 2 ** 20).fill(32), /129 MB/],
  ])("%s is refused in a sentence", async (_, given, reason) => {
    await expect(openBytes(given, using)).rejects.toThrow(reason);
  });

  it("is words as they are, though they look like a number that JSON has not", async () => {
    const words = { nodes: [{ id: 1, type: "CLIPTextEncode", widgets_values: ["[NaN, NaN]"] }], links: [] };
    expect((await openText(JSON.stringify(words), using)).root.nodes.get("1")?.values.text).toBe("[NaN, NaN]");
  });
});

const ten = (type: string) => Array.from({ length: 10 }, (_, id) => ({ id, type }));
const multiplying = {
  nodes: ten("s0"),
  links: [],
  definitions: {
    subgraphs: Array.from({ length: 12 }, (_, i) => ({ id: `s${i}`, name: "S", nodes: ten(`s${i + 1}`), links: [] })),
  },
};

const endless = {
  nodes: [{ id: 1, type: "self" }],
  links: [],
  definitions: { subgraphs: [{ id: "self", name: "Self", nodes: [{ id: 1, type: "self" }], links: [] }] },
};

describe("the API format", () => {
  it("opens to the graph that it says, and says it again", () => {
    const { doc } = textToImage();
    const prompt = toPrompt(doc, options);
    const again = toPrompt(openApiFile(JSON.parse(JSON.stringify(prompt)), catalogue, newId), options);
    expect(again).toEqual(prompt);
  });

  it("opens with ids of subgraphs, unknown classes and wrapped lists", async () => {
    const doc = await openText(
      JSON.stringify({
        "57:2": { class_type: "VAEDecode", inputs: { samples: ["odd", 0] }, _meta: { title: "Mine" } },
        odd: { class_type: "Nowhere", inputs: { list: { __value__: [1] }, from: ["57:2", 0] } },
      }),
      opening,
    );
    expect([...doc.root.nodes.values()].map((node) => [node.type, node.title])).toEqual([
      ["VAEDecode", "Mine"],
      ["Nowhere", undefined],
    ]);
    expect(doc.root.links.size).toBe(2);
  });
});

describe("a value where the class has a socket", () => {
  it("is kept by its name, sent, and saved", async () => {
    const prompt = { 1: { class_type: "VAEDecode", inputs: { samples: { made: ["by", 1] }, vae: ["2", 0] } } };
    const doc = await openText(JSON.stringify(prompt), opening);
    expect(toPrompt(doc, options)["1"]?.inputs.samples).toEqual({ made: ["by", 1] });
    const again = await openText(JSON.stringify(saveEditorFile(doc, catalogue)), opening);
    expect(toPrompt(again, options)["1"]?.inputs.samples).toEqual({ made: ["by", 1] });
  });
});
