"""What is passed around: frames, clouds, masks, boxes, features and the scene that holds them."""
