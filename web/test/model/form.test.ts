import { expect, it } from "vitest";
import { pinnedWidgets } from "../../src/model/form";
import { labelPin, movePin, togglePin } from "../../src/model/pins";
import { usualPins, withUsualForm } from "../../src/model/usualPins";
import { catalogue, textToImage } from "../support";

const { doc: made, id } = textToImage();
const at = (key: string) => id[key] as string;
const pinned = [
  ["positive", "text"],
  ["negative", "text"],
  ["sampler", "sampler_name"],
].reduce((doc, [node, widget]) => togglePin(doc, at(node as string), widget as string), made);
const locate = (doc: typeof made, path: string) =>
  doc.root.nodes.has(path) ? { at: "root" as const, id: path } : undefined;
const labels = (doc: typeof made) => pinnedWidgets(doc, catalogue, locate).map((one) => one.label);

it("calls what is pinned by names that people write", () => {
  expect(labels(pinned)[2]).toBe("Sampler name");
  expect(labels(togglePin(pinned, at("sampler"), "cfg"))[3]).toBe("CFG");
});

it("takes the name that somebody gave, and goes back without it", () => {
  const named = labelPin(pinned, at("sampler"), "sampler_name", " How ");
  expect(labels(named)[2]).toBe("How");
  expect(labelPin(named, at("sampler"), "sampler_name", "").form).toEqual(pinned.form);
});

it("keeps a place for what is gone, to be taken out", () => {
  const gone = togglePin(movePin(pinned, 2, 0), "99", "old_thing");
  const [first, , , last] = pinnedWidgets(gone, catalogue, locate);
  expect(first?.found?.widget.name).toBe("sampler_name");
  expect(last).toMatchObject({ label: "Old thing", found: undefined });
});

it("tells two of a name apart by their nodes", () => {
  const both = togglePin(togglePin(made, at("latent"), "width"), at("latent"), "height");
  expect(labels(both)).toEqual(["Width", "Height"]);
});

it("knows what most people would set", () => {
  const named = usualPins(made, catalogue).map(({ node, widget }) => [
    Object.keys(id).find((key) => id[key] === node),
    widget,
  ]);
  expect(named).toEqual([
    ["positive", "text"],
    ["negative", "text"],
    ["sampler", "seed"],
    ["sampler", "steps"],
    ["latent", "width"],
    ["latent", "height"],
    ["sampler", "denoise"],
  ]);
});

it("gives a form to what has none, and leaves what has one", () => {
  expect(withUsualForm(made, catalogue).form).toEqual(usualPins(made, catalogue));
  expect(withUsualForm(pinned, catalogue)).toBe(pinned);
});
