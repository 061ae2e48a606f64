"""Video clips (films, animations, strips or folders of frames) -> new clips."""

from ganworks.core.registry import Kind

KIND = Kind(
    name="video",
    order=140,
    title="video",
    example={"shape": (16, 3, 32, 32)},
    recipes={
        "video": ("recipes:video", "domain/video"),
        "video3d": ("recipes:video3d", "domain/video"),
    },
    parts={
        "domain/video": "domain:Video",
        "networks/motion-content": "networks.motion_content:MotionContent",
        "networks/volume": "networks.motion_content:Volume",
        "game/clips": "game:ClipGame",
    },
    default="video",
    noun="clips",
    recognise="recognise",
    reads=("video: a folder or .zip of films, GIFs or strips of frames side by side.",),
)
