interface Template {
  readonly name: string;
  readonly thumbnail?: string | null;
}

const PLAINEST = [
  "text_to_image",
  "image_to_image",
  "inpaint",
  "outpaint",
  "upscale",
  "hires_fix",
  "lora",
  "controlnet_canny",
  "style_reference",
];

/** Where to begin comes first, then what runs with the models at hand (it has a picture), then what needs others. */
export function plainestFirst<One extends Template>(templates: readonly One[]): readonly One[] {
  const rank = ({ name, thumbnail }: Template) => {
    const at = PLAINEST.indexOf(name);
    return at >= 0 ? at : PLAINEST.length + (thumbnail ? 0 : 1);
  };
  return [...templates].sort((a, b) => rank(a) - rank(b));
}
