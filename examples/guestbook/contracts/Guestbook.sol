// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

/// @notice A book that anybody may sign, as often as they like. The notes are in the events, the counts in storage.
contract Guestbook {
    uint256 private constant NOTE_BYTES_MAX = 280;

    uint256 private _signatures;
    mapping(address signer => uint256) private _signaturesOf;

    event Signed(address indexed signer, uint256 indexed number, string note);

    /// @notice Say it in fewer words.
    error NoteTooLong(uint256 length, uint256 max);

    /// @notice Adds a signature; the first one has the number 1.
    function sign(string calldata note) external {
        uint256 length = bytes(note).length;
        if (NOTE_BYTES_MAX < length) revert NoteTooLong(length, NOTE_BYTES_MAX);
        uint256 number = ++_signatures;
        ++_signaturesOf[msg.sender];
        emit Signed(msg.sender, number, note);
    }

    /// @notice How many signatures the book has.
    function signatures() external view returns (uint256) {
        return _signatures;
    }

    /// @notice How many of them are from `signer`.
    function signaturesOf(address signer) external view returns (uint256) {
        return _signaturesOf[signer];
    }
}
