import { useEffect } from "react";
import { Ask } from "./Ask";
import { CanvasMenu } from "./CanvasMenu";
import { ConnectByName } from "./ConnectByName";
import { DropMenu } from "./DropMenu";
import { SaveAs } from "./SaveAs";
import { Search } from "./Search";

/** What opens at a key and is typed into at once, and what asks: loaded when the page stands, before anybody can want it. */
export default function Soon() {
  useEffect(() => {
    void import("./Palette");
    void import("../widgets/Options");
    void import("../model/wrapping");
    void import("../store/arranging");
  }, []);
  return (
    <>
      <Search />
      <CanvasMenu />
      <ConnectByName />
      <DropMenu />
      <SaveAs />
      <Ask />
    </>
  );
}
