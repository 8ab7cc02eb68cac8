import type { ImageRef } from "../api/rest";

/** Lets a picture of the server be dropped on the canvas, where it becomes a node that loads it. */
export function dragPicture(event: React.DragEvent, image: ImageRef): void {
  event.dataTransfer.setData("application/x-sfumato-image", JSON.stringify(image));
  event.dataTransfer.effectAllowed = "copy";
}
